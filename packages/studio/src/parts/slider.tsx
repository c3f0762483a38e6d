import type { ComponentChildren } from 'preact';

interface SliderProps {
  label: ComponentChildren;
  value: number;
  min: number;
  max: number;
  step?: number;
  /** How the value is written beside the label, and read out. Default: as a number. */
  shown?: string;
  onChange: (value: number) => void;
}

/** A number on a scale, with the number beside its name. */
export function Slider({ label, value, min, max, step = 1, shown = `${value}`, onChange }: SliderProps) {
  return (
    <label class="slider">
      <span>{label}</span>
      {/* Not an output: a label names the first of its fields, and that counts as one. */}
      <span aria-hidden="true" class="shown">
        {shown}
      </span>
      <input
        type="range"
        min={min}
        max={max}
        step={step}
        value={value}
        aria-valuetext={shown}
        style={{ '--filled': `${((value - min) / (max - min)) * 100}%` }}
        onInput={(event) => onChange(event.currentTarget.valueAsNumber)}
      />
    </label>
  );
}
