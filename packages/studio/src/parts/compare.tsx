import { useState } from 'preact/hooks';

interface CompareProps {
  left: { url: string; label: string };
  right: { url: string; label: string };
  /** Of the line between the two, for a screen reader. */
  label: string;
  width: number;
  height: number;
}

/** Two pictures of one size over each other, and a line to draw between them. */
export function Compare({ left, right, label, width, height }: CompareProps) {
  const [at, setAt] = useState(50);
  return (
    <div class="compare" style={{ '--at': `${at}%`, aspectRatio: `${width} / ${height}` }}>
      <img src={right.url} alt={right.label} width={width} height={height} />
      <img src={left.url} alt={left.label} width={width} height={height} class="over" />
      <span aria-hidden="true">{left.label}</span>
      <span aria-hidden="true">{right.label}</span>
      <input
        type="range"
        min="0"
        max="100"
        value={at}
        aria-label={label}
        aria-valuetext={`${at} %`}
        onInput={(event) => setAt(event.currentTarget.valueAsNumber)}
      />
    </div>
  );
}
