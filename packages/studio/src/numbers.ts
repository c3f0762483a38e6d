import type { Language } from './speech.tsx';

const unit = (language: Language, name: string, value: number, digits = 0) =>
  new Intl.NumberFormat(language, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: digits }).format(
    value,
  );

/** "1 min 5 sec"; of hours the seconds are left out. */
export function duration(seconds: number, language: Language): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: [string, number][] =
    whole < 60
      ? [['second', whole]]
      : whole < 3600
        ? [
            ['minute', Math.floor(whole / 60)],
            ['second', whole % 60],
          ]
        : [
            ['hour', Math.floor(whole / 3600)],
            ['minute', Math.floor((whole % 3600) / 60)],
          ];
  return parts
    .filter(([, value], i) => i === 0 || value > 0)
    .map(([name, value]) => unit(language, name, value))
    .join(' ');
}

/** "4.8 MB" */
export function bytes(count: number, language: Language): string {
  const [name, size] =
    count >= 1e9 ? ['gigabyte', 1e9] : count >= 1e6 ? ['megabyte', 1e6] : count >= 1e3 ? ['kilobyte', 1e3] : ['byte', 1];
  return unit(language, name, count / size, size === 1 || count / size >= 100 ? 0 : 1);
}

/** "Nov 25, 2:16 PM"; with the year where it is another. */
export function moment(iso: string, language: Language): string {
  const date = new Date(iso);
  const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: 'numeric' as const };
  return new Intl.DateTimeFormat(language, {
    ...year,
    month: 'short',
    day: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
  }).format(date);
}

/** "Nov 25, 2026" */
export const day = (iso: string, language: Language): string =>
  new Intl.DateTimeFormat(language, { year: 'numeric', month: 'short', day: 'numeric' }).format(new Date(iso));
