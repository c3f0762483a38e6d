import type { LoraRecord } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useLoaded } from '../load.ts';
import { bytes, moment } from '../numbers.ts';
import { Arriving } from '../parts/arriving.tsx';
import { Cover } from '../parts/cover.tsx';
import { Facts } from '../parts/facts.tsx';
import { Icon } from '../parts/icon.tsx';
import { Problem } from '../parts/problem.tsx';
import { linkTo } from '../route.ts';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { ChooseCover } from './choose-cover.tsx';
import { Delete } from './delete.tsx';
import { Describe } from './describe.tsx';
import { Sharing } from './sharing.tsx';
import { Versions } from './versions.tsx';
import { libraryWords } from './words.ts';

/** One style: what it is, its versions, who may use it. */
export function Style({ name }: { name: string }) {
  const api = useApi();
  const words = useWords(libraryWords);
  const { language } = useSpeech();
  const { facts } = words;
  const loaded = useLoaded((signal) => api.loras.get(name, { signal }), [name]);
  const [changed, setChanged] = useState<LoraRecord>();
  const lora = changed ?? loaded.value;
  const back = (
    <a class="back" href={linkTo('library')}>
      <Icon name="left" /> {words.back}
    </a>
  );
  if (!lora)
    return (
      <div class="page">
        {back}
        {loaded.problem ? <Problem error={loaded.problem} onRetry={loaded.reload} /> : <Arriving />}
      </div>
    );
  return (
    <div class="page">
      {back}
      <div class="style-head">
        <Cover name={name} url={lora.cover_url} />
        <div class="stack">
          <h1>{name}</h1>
          <Facts
            rows={[
              [facts.base, lora.model],
              [words.triggers, lora.trigger_words.join(', ')],
              [facts.made, moment(lora.created_at, language)],
              [facts.rank, `${lora.rank}`],
              [facts.size, bytes(lora.size_bytes, language)],
              [words.license, lora.license ?? ''],
              [facts.training, lora.training_id ?? facts.imported],
            ]}
          />
          <p>
            <a class="button strong" href={linkTo('create', name)}>
              {words.use}
            </a>
          </p>
        </div>
      </div>
      <Versions lora={lora} onChange={setChanged} />
      <ChooseCover lora={lora} onChange={setChanged} />
      <Describe lora={lora} onChange={setChanged} />
      <Sharing lora={lora} onChange={setChanged} />
      <Delete name={name} />
    </div>
  );
}
