import type { Model } from '@loraloom/client';
import { Icon } from '../parts/icon.tsx';
import { Slider } from '../parts/slider.tsx';
import { useWords } from '../speech.tsx';
import type { Draft } from './draft.ts';
import { createWords } from './words.ts';

interface SettingsProps {
  draft: Draft;
  models: readonly Model[];
  model: Model;
  onChange: (some: Partial<Draft>) => void;
}

/** What most pictures do without. */
export function Settings({ draft, models, model, onChange }: SettingsProps) {
  const words = useWords(createWords);
  return (
    <details>
      <summary>{words.settings}</summary>
      <div class="stack">
        <label class="field">
          {words.negative}
          <input value={draft.negative} maxLength={2000} onInput={(event) => onChange({ negative: event.currentTarget.value })} />
        </label>
        <Slider
          label={words.steps}
          value={draft.steps ?? model.default_steps}
          min={1}
          max={60}
          onChange={(steps) => onChange({ steps })}
        />
        <Slider
          label={words.guidance}
          value={draft.guidance ?? model.default_guidance_scale}
          min={0}
          max={15}
          step={0.5}
          onChange={(guidance) => onChange({ guidance })}
        />
        <div class="stack tight">
          <div class="row">
            <button
              type="button"
              aria-pressed={draft.seed !== null}
              onClick={() => onChange({ seed: draft.seed === null ? drawSeed() : null })}
            >
              <Icon name={draft.seed === null ? 'unlock' : 'lock'} /> {words.keepSeed}
            </button>
            {draft.seed !== null && (
              <input
                class="seed"
                type="number"
                aria-label={words.seed}
                min={0}
                max={2 ** 32 - 1}
                value={draft.seed}
                onInput={(event) => {
                  const seed = event.currentTarget.valueAsNumber;
                  if (Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) onChange({ seed });
                }}
              />
            )}
          </div>
          <p class="quiet small">{words.keepSeedHint}</p>
        </div>
        {models.length > 1 && (
          <label class="field">
            {words.model}
            <select
              value={model.name}
              onChange={(event) => onChange({ model: event.currentTarget.value, steps: null, guidance: null, styles: [] })}
            >
              {models.map(({ name, resolution }) => (
                <option key={name} value={name}>
                  {name} · {resolution} px
                </option>
              ))}
            </select>
          </label>
        )}
      </div>
    </details>
  );
}

const drawSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
