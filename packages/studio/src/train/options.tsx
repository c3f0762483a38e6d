import type { Model } from '@loraloom/client';
import { Slider } from '../parts/slider.tsx';
import { loraName } from '../registry.ts';
import { useWords } from '../speech.tsx';
import { type Draft, presets, samplesOf } from './draft.ts';
import { trainWords } from './words.ts';

interface OptionsProps {
  draft: Draft;
  models: readonly Model[];
  model: Model;
  onChange: (some: Partial<Draft>) => void;
}

/** What a style is called and called by, and how long it is learnt. */
export function Options({ draft, models, model, onChange }: OptionsProps) {
  const words = useWords(trainWords);
  const preset = presets[draft.preset];
  const name = loraName(draft.title);
  return (
    <>
      <div class="pair">
        <label class="field">
          {words.name}
          <input
            value={draft.title}
            placeholder={words.nameExample}
            onInput={({ currentTarget }) => onChange({ title: currentTarget.value })}
          />
          <span class="quiet small">{name !== '' && name !== draft.title ? words.calledSo(name) : words.nameHint}</span>
        </label>
        <label class="field">
          {words.trigger}
          <input
            value={draft.trigger}
            maxLength={100}
            placeholder={words.triggerExamples[draft.preset]}
            onInput={({ currentTarget }) => onChange({ trigger: currentTarget.value })}
          />
          <span class="quiet small">{words.triggerHint}</span>
        </label>
      </div>
      <details>
        <summary>{words.more}</summary>
        <div class="stack">
          {models.length > 1 && (
            <label class="field">
              {words.model}
              <select value={model.name} onChange={({ currentTarget }) => onChange({ model: currentTarget.value })}>
                {models.map((one) => (
                  <option key={one.name}>{one.name}</option>
                ))}
              </select>
            </label>
          )}
          <div class="pair">
            <label class="field">
              {words.steps}
              <input
                type="number"
                min="1"
                max="100000"
                value={draft.steps ?? preset.steps}
                onInput={({ currentTarget: { valueAsNumber: steps } }) =>
                  onChange({ steps: Number.isInteger(steps) && steps >= 1 && steps <= 100_000 ? steps : null })
                }
              />
            </label>
            <Slider
              label={words.rankHint}
              value={draft.rank ?? preset.rank}
              min={2}
              max={64}
              step={2}
              onChange={(rank) => onChange({ rank })}
            />
          </div>
          <label class="field">
            {words.samples}
            <textarea
              rows={3}
              value={draft.samples ?? samplesOf(draft).join('\n')}
              onInput={({ currentTarget }) => onChange({ samples: currentTarget.value })}
            />
            <span class="quiet small">{words.samplesHint}</span>
          </label>
        </div>
      </details>
    </>
  );
}
