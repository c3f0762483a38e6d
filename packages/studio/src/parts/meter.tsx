interface MeterProps {
  /** What comes along, for a screen reader. */
  label: string;
  value: number;
  /** Steps, bytes, pictures: whatever `value` counts; 0 while it is not known. */
  of: number;
}

/** How far something has come. */
export function Meter({ label, value, of }: MeterProps) {
  return of > 0 ? <progress aria-label={label} value={value} max={of} /> : <progress aria-label={label} />;
}
