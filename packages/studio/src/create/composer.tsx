import type { LoraRecord, Model } from '@loraloom/client';
import { useId } from 'preact/hooks';
import { Problem } from '../parts/problem.tsx';
import { Slider } from '../parts/slider.tsx';
import { explain } from '../parts/trouble.ts';
import { useSpeech, useWords } from '../speech.tsx';
import { type Draft, missingTriggers } from './draft.ts';
import { examplesFor } from './examples.ts';
import { Settings } from './settings.tsx';
import { ShapeChoice } from './shape-choice.tsx';
import { StartPicture } from './start-picture.tsx';
import { StylePicker } from './style-picker.tsx';
import { createWords } from './words.ts';

interface ComposerProps {
  draft: Draft;
  models: readonly Model[];
  model: Model;
  loras: readonly LoraRecord[];
  asking: boolean;
  problem: unknown;
  onChange: (some: Partial<Draft>) => void;
  onMake: () => void;
}

/** All that a picture is asked for with. */
export function Composer({ draft, models, model, loras, asking, problem, onChange: change, onMake }: ComposerProps) {
  const words = useWords(createWords);
  const { language } = useSpeech();
  const id = useId();
  const fault = problem ? explain(problem, language).param : null;
  const examples = examplesFor(model);
  const triggers = missingTriggers(draft.prompt, draft.styles, loras);
  const ready = draft.prompt.trim() !== '' && !asking;
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) onMake();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.metaKey || event.ctrlKey) && ready) onMake();
      }}
    >
      <div class="stack tight">
        <label class="label" for={id}>
          {words.prompt}
        </label>
        <textarea
          id={id}
          class="prompt"
          value={draft.prompt}
          maxLength={2000}
          rows={3}
          placeholder={examples[0]}
          aria-invalid={fault === 'prompt'}
          onInput={(event) => change({ prompt: event.currentTarget.value })}
        />
        {triggers.length > 0 && <p class="quiet small">{words.alsoSays(triggers.join(', '))}</p>}
        <ul class="row examples" aria-label={words.examples}>
          {examples.map((example) => (
            <li key={example}>
              <button type="button" class="chip" onClick={() => change({ prompt: example })}>
                {example}
              </button>
            </li>
          ))}
        </ul>
      </div>
      <StylePicker loras={loras} model={model.name} chosen={draft.styles} onChange={(styles) => change({ styles })} />
      <StartPicture start={draft.start} onChange={(start) => change({ start })} />
      <ShapeChoice shape={draft.shape} onChange={(shape) => change({ shape })} />
      <Slider label={words.count} value={draft.count} min={1} max={8} onChange={(count) => change({ count })} />
      <Settings draft={draft} models={models} model={model} onChange={change} />
      <div class="make">
        <Problem error={problem} />
        <button type="submit" class="primary" disabled={!ready}>
          {asking ? words.asking : words.make}
        </button>
      </div>
    </form>
  );
}
