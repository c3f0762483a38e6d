import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { Drop } from '../parts/drop.tsx';
import { Icon } from '../parts/icon.tsx';
import { Problem } from '../parts/problem.tsx';
import { Sending, useUpload } from '../parts/sending.tsx';
import { useWords } from '../speech.tsx';
import { readTable, type Table } from './table.ts';
import { batchWords } from './words.ts';

interface ProductsProps {
  table: Table | null;
  onChange: (table: Table | null) => void;
}

/** The table of products: dropped, or pasted; looked at here before it is uploaded. */
export function Products({ table, onChange }: ProductsProps) {
  const words = useWords(batchWords);
  const [pasted, setPasted] = useState('');
  const { busy, problem, attempt } = useAttempt();
  const { sending, upload } = useUpload();
  const take = (file: File) =>
    attempt(async () => {
      const read = await readTable(new Uint8Array(await file.arrayBuffer()));
      const { id } = await upload(file, { contentType: 'text/csv' });
      setPasted('');
      onChange({ ...read, name: file.name, fileId: id });
    });
  return (
    <section class="stack tight" aria-label={words.products}>
      <h2 class="label">{words.products}</h2>
      {sending ? (
        <Sending {...sending} />
      ) : table ? (
        <div class="table-head">
          <p>
            <strong>{table.name}</strong> <span class="quiet">· {words.rows(table.rows)}</span>
          </p>
          <button type="button" class="plain" aria-label={words.replace} onClick={() => onChange(null)}>
            <Icon name="close" />
          </button>
        </div>
      ) : (
        <>
          <Drop accept=".csv,.tsv,.txt,text/csv" onFiles={([file]) => file && void take(file)}>
            {words.drop}
          </Drop>
          <p class="quiet small">{words.dropHint}</p>
          <label class="field">
            {words.paste}
            <textarea
              class="pasted"
              rows={3}
              spellcheck={false}
              placeholder={'sku,name,colour\nA-1,apple,red'}
              value={pasted}
              onInput={(event) => setPasted(event.currentTarget.value)}
            />
          </label>
          {pasted.trim() !== '' && (
            <div>
              <button type="button" disabled={busy} onClick={() => void take(new File([pasted], words.pastedName))}>
                {words.usePasted}
              </button>
            </div>
          )}
        </>
      )}
      <Problem error={problem} />
    </section>
  );
}
