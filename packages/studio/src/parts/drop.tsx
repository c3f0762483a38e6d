import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Icon } from './icon.tsx';

interface DropProps {
  /** What to drop, in words. */
  children: ComponentChildren;
  /** As of an input: `image/png,.zip`. */
  accept: string;
  multiple?: boolean;
  onFiles: (files: File[]) => void;
}

/** A place to drop files on, or to choose them from. */
export function Drop({ children, accept, multiple = false, onFiles }: DropProps) {
  const [over, setOver] = useState(false);
  return (
    <label
      class={over ? 'drop over' : 'drop'}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        const files = [...(event.dataTransfer?.files ?? [])];
        onFiles(multiple ? files : files.slice(0, 1));
      }}
    >
      <Icon name="upload" />
      <span>{children}</span>
      <input
        type="file"
        class="unseen"
        accept={accept}
        multiple={multiple}
        onChange={(event) => {
          onFiles([...(event.currentTarget.files ?? [])]);
          // So that the same file may be chosen again.
          event.currentTarget.value = '';
        }}
      />
    </label>
  );
}
