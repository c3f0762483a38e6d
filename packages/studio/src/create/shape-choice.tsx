import './shape-choice.css';
import { Choice } from '../parts/choice.tsx';
import { useWords } from '../speech.tsx';
import { type Shape, shapes } from './draft.ts';
import { createWords } from './words.ts';

/** The proportions of a picture, each shown as it is. */
export function ShapeChoice({ shape: value, onChange }: { shape: Shape; onChange: (shape: Shape) => void }) {
  const words = useWords(createWords);
  return (
    <Choice
      label={words.shape}
      value={value}
      options={shapes.map((shape) => ({
        value: shape,
        label: (
          <>
            <span class={`shape ${shape}`} aria-hidden="true" />
            <span class="unseen">{words.shapes[shape]}</span>
          </>
        ),
      }))}
      onChange={onChange}
    />
  );
}
