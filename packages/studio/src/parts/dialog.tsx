import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { dictionary, useWords } from '../speech.tsx';
import { Icon } from './icon.tsx';

interface DialogProps {
  /** What it is, read out when it opens. */
  label: string;
  wide?: boolean;
  onClose: () => void;
  children: ComponentChildren;
}

/** A window over the page while it is rendered; Escape, the cross and a click beside it close it. */
export function Dialog({ label, wide = false, onClose, children }: DialogProps) {
  const words = useWords(dialogWords);
  const box = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const shown = box.current;
    shown?.showModal();
    // Closed before it goes, it gives the focus back to what opened it.
    return () => shown?.close();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it, by the browser
    <dialog
      ref={box}
      class={wide ? 'wide' : ''}
      aria-label={label}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === box.current) box.current?.close();
      }}
    >
      <div class="inside">
        <button type="button" class="plain close" aria-label={words.close} onClick={() => box.current?.close()}>
          <Icon name="close" />
        </button>
        {children}
      </div>
    </dialog>
  );
}

const dialogWords = dictionary({ close: 'Close' }, { close: '关闭' });
