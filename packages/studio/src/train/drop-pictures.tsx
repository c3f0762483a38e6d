import { useState } from 'preact/hooks';
import { Icon } from '../parts/icon.tsx';
import { useWords } from '../speech.tsx';
import { accepted, type Found, filesOf } from './gather.ts';
import { trainWords } from './words.ts';

interface DropPicturesProps {
  onFiles: (found: Found[] | Promise<Found[]>) => void;
}

const foundIn = (list: FileList | null): Found[] =>
  [...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));

/** A place to drop pictures on, folders of them or zips, or to choose them from. */
export function DropPictures({ onFiles }: DropPicturesProps) {
  const words = useWords(trainWords);
  const [over, setOver] = useState(false);
  const take = (input: HTMLInputElement) => {
    onFiles(foundIn(input.files));
    // So that the same file may be chosen again.
    input.value = '';
  };
  return (
    <div class="stack tight">
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
          if (event.dataTransfer) onFiles(filesOf(event.dataTransfer));
        }}
      >
        <Icon name="upload" />
        <span>{words.drop}</span>
        <input type="file" class="unseen" accept={accepted} multiple onChange={({ currentTarget }) => take(currentTarget)} />
      </label>
      <label class="button plain small folder">
        {words.folder}
        <input
          type="file"
          class="unseen"
          multiple
          ref={(input) => input?.setAttribute('webkitdirectory', '')}
          onChange={({ currentTarget }) => take(currentTarget)}
        />
      </label>
    </div>
  );
}
