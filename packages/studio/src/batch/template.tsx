import { useId, useRef } from 'preact/hooks';
import { Icon } from '../parts/icon.tsx';
import { useWords } from '../speech.tsx';
import { filled, missingColumns, type Table } from './table.ts';
import { batchWords } from './words.ts';

interface TemplateProps {
  table: Table;
  prompt: string;
  /** What a chosen style adds to the words. */
  triggers: readonly string[];
  onChange: (prompt: string) => void;
}

/** The words for all pictures, with columns in them, and what becomes of them in the first rows. */
export function Template({ table, prompt, triggers, onChange }: TemplateProps) {
  const words = useWords(batchWords);
  const id = useId();
  const box = useRef<HTMLTextAreaElement>(null);
  const missing = missingColumns(prompt, table.columns);
  const insert = (column: string) => {
    const field = box.current;
    if (!field) return;
    field.focus();
    field.setRangeText(`{{${column}}}`, field.selectionStart, field.selectionEnd, 'end');
    onChange(field.value);
  };
  return (
    <section class="stack tight">
      <label class="label" for={id}>
        {words.prompt}
      </label>
      <textarea
        id={id}
        ref={box}
        rows={3}
        maxLength={2000}
        value={prompt}
        aria-invalid={missing.length > 0}
        aria-describedby={`${id}-missing`}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      <ul class="row" aria-label={words.columns}>
        {table.columns.map((column) => (
          <li key={column}>
            <button type="button" class="chip" aria-label={words.insert(column)} onClick={() => insert(column)}>
              <Icon name="plus" /> {column}
            </button>
          </li>
        ))}
      </ul>
      <p id={`${id}-missing`} class="missing" role="status">
        {missing.length > 0 && words.missing(missing.join(', '))}
      </p>
      {triggers.length > 0 && <p class="quiet small">{words.alsoSays(triggers.join(', '))}</p>}
      <h3 class="label">{words.preview}</h3>
      <ol class="preview">
        {table.sample.map((row, i) => (
          <li key={i}>{[filled(prompt, row).trim(), ...triggers].join(', ')}</li>
        ))}
      </ol>
    </section>
  );
}
