import './style-picker.css';
import type { LoraRecord } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { Cover } from '../parts/cover.tsx';
import { Icon } from '../parts/icon.tsx';
import { Slider } from '../parts/slider.tsx';
import { linkTo } from '../route.ts';
import { useWords } from '../speech.tsx';
import type { Draft } from './draft.ts';
import { createWords } from './words.ts';

interface StylePickerProps {
  loras: readonly LoraRecord[];
  /** Base model that they must be for. */
  model: string;
  chosen: Draft['styles'];
  onChange: (chosen: Draft['styles']) => void;
}

/** Shown before one asks for the rest. */
const few = 8;
/** As many as the API mixes. */
const most = 8;

/** The styles as pictures to choose from, and a slider for each one that is chosen. */
export function StylePicker({ loras, model, chosen, onChange }: StylePickerProps) {
  const words = useWords(createWords);
  const [all, setAll] = useState(false);
  const fitting = loras.filter((lora) => lora.model === model);
  const others = loras.length - fitting.length;
  const isChosen = (name: string) => chosen.some((one) => one.name === name);
  // What is chosen stays in sight.
  const shown = all ? fitting : fitting.filter(({ name }, i) => i < few || isChosen(name));
  const toggle = (name: string) =>
    onChange(isChosen(name) ? chosen.filter((one) => one.name !== name) : [...chosen, { name, weight: 1 }]);
  return (
    <section class="stack" aria-label={words.styles}>
      <h2 class="label">{words.styles}</h2>
      {fitting.length === 0 && (
        <p class="quiet small">
          {words.noStyles} <a href={linkTo('train')}>{words.trainOne}</a>
        </p>
      )}
      <ul class="styles">
        {shown.map(({ name, cover_url }) => (
          <li key={name}>
            <button
              type="button"
              class="style"
              aria-pressed={isChosen(name)}
              disabled={!isChosen(name) && chosen.length >= most}
              onClick={() => toggle(name)}
            >
              <Cover name={name} url={cover_url} />
              <span>{name}</span>
            </button>
          </li>
        ))}
      </ul>
      <div class="row">
        {fitting.length > few && (
          <button type="button" class="chip" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? words.fewerStyles : words.allStyles(fitting.length)}
          </button>
        )}
        {others > 0 && <span class="quiet small">{words.otherBase(others)}</span>}
        <Shared onAdd={(name) => !isChosen(name) && onChange([...chosen, { name, weight: 1 }])} />
      </div>
      {chosen.map(({ name, weight }) => (
        <div class="mixed" key={name}>
          <Slider
            label={name}
            value={weight}
            min={0}
            max={1.5}
            step={0.05}
            shown={weight.toFixed(2)}
            onChange={(value) => onChange(chosen.map((one) => (one.name === name ? { name, weight: value } : one)))}
          />
          <button type="button" class="plain" aria-label={words.takeOff(name)} onClick={() => toggle(name)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </section>
  );
}

/** Others' styles are in no list: whoever shares one tells its name. */
function Shared({ onAdd }: { onAdd: (reference: string) => void }) {
  const words = useWords(createWords);
  const [open, setOpen] = useState(false);
  const [name, setName] = useState('');
  const add = () => {
    if (/^[^/\s]+\/[^/\s]+$/.test(name.trim())) {
      onAdd(name.trim());
      setName('');
      setOpen(false);
    }
  };
  if (!open)
    return (
      <button type="button" class="chip" onClick={() => setOpen(true)}>
        <Icon name="plus" /> {words.shared}
      </button>
    );
  return (
    <div class="shared">
      <input
        aria-label={words.shared}
        placeholder={words.sharedHint}
        value={name}
        ref={(box) => box?.focus()}
        onInput={(event) => setName(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter') return;
          // The form around it asks for pictures.
          event.preventDefault();
          add();
        }}
      />
      <button type="button" onClick={add}>
        {words.add}
      </button>
    </div>
  );
}
