import { useState } from 'preact/hooks';
import { save } from '../parts/save.ts';
import { useWords } from '../speech.tsx';
import { readCaptions, writeCaptions } from './captions.ts';
import { type Draft, replaced, withCaptions } from './draft.ts';
import { trainWords } from './words.ts';

interface CaptionToolsProps {
  draft: Draft;
  onChange: (draft: Draft) => void;
}

/** What is done to all captions at once. */
export function CaptionTools({ draft, onChange }: CaptionToolsProps) {
  const words = useWords(trainWords);
  const [find, setFind] = useState('');
  const [put, setPut] = useState('');
  const [told, setTold] = useState('');
  const replace = () => {
    const [after, changed] = replaced(draft, find, put);
    onChange(after);
    setTold(words.replaced(changed));
  };
  const read = async (file: File | undefined) => {
    if (!file) return;
    const [after, found] = withCaptions(draft, await readCaptions(await file.text()));
    onChange(after);
    setTold(words.imported(found));
  };
  return (
    <fieldset class="tools">
      <legend class="unseen">{words.tools}</legend>
      <input
        aria-label={words.find}
        placeholder={words.find}
        value={find}
        onInput={({ currentTarget }) => setFind(currentTarget.value)}
        onKeyDown={(event) => event.key === 'Enter' && event.preventDefault()}
      />
      <input
        aria-label={words.put}
        placeholder={words.put}
        value={put}
        onInput={({ currentTarget }) => setPut(currentTarget.value)}
        onKeyDown={(event) => event.key === 'Enter' && event.preventDefault()}
      />
      <button type="button" disabled={find === ''} onClick={replace}>
        {words.replace}
      </button>
      <label class="button plain">
        {words.importCsv}
        <input
          type="file"
          class="unseen"
          accept=".csv,text/csv"
          onChange={({ currentTarget }) => {
            void read(currentTarget.files?.[0]);
            currentTarget.value = '';
          }}
        />
      </label>
      <button
        type="button"
        class="plain"
        onClick={async () => save(new Blob([await writeCaptions(draft.pictures)], { type: 'text/csv' }), 'metadata.csv')}
      >
        {words.exportCsv}
      </button>
      <span role="status" class="quiet small">
        {told}
      </span>
    </fieldset>
  );
}
