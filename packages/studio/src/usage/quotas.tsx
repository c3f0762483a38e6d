import { useLoaded } from '../load.ts';
import { day } from '../numbers.ts';
import { Arriving } from '../parts/arriving.tsx';
import { Meter } from '../parts/meter.tsx';
import { Problem } from '../parts/problem.tsx';
import { useApi } from '../session.tsx';
import { useSpeech, useWords } from '../speech.tsx';
import { usageWords } from './words.ts';

/** The month's quotas and how far they are used up. */
export function Quotas() {
  const api = useApi();
  const words = useWords(usageWords);
  const { language } = useSpeech();
  const { value, problem, reload } = useLoaded((signal) => api.usage({ signal }));
  if (!value) return problem ? <Problem error={problem} onRetry={reload} /> : <Arriving />;
  const { used, limits, month, resets_at } = value;
  const count = (n: number) => new Intl.NumberFormat(language).format(n);
  // Whoever runs it alone has set no limit that means anything: as a billion it is read at a glance.
  const limitOf = (n: number) => new Intl.NumberFormat(language, { notation: n < 1e6 ? 'standard' : 'compact' }).format(n);
  const shownMonth = new Intl.DateTimeFormat(language, { year: 'numeric', month: 'long', timeZone: 'UTC' }).format(
    new Date(`${month}-01`),
  );
  const meters: [string, number, number][] = [
    [words.pictures, used.pictures, limits.pictures_per_month],
    [words.steps, used.training_steps, limits.training_steps_per_month],
    [words.jobs, used.unfinished_jobs, limits.unfinished_jobs],
  ];
  return (
    <>
      <p class="lead">{words.lead(shownMonth)}</p>
      <ul class="quotas">
        {meters.map(([name, so, limit]) => (
          <li key={name} class="card">
            <h2>{name}</h2>
            <p class="amount">{count(so)}</p>
            <Meter label={name} value={Math.min(so, limit)} of={Math.max(1, limit)} />
            <p class="quiet small">{words.of(count(so), limitOf(limit))}</p>
          </li>
        ))}
      </ul>
      <p class="quiet small">
        {words.resets(day(resets_at, language))} {words.rate(limitOf(limits.requests_per_minute))}
      </p>
    </>
  );
}
