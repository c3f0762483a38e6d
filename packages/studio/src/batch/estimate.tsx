import type { BatchEstimate, BatchView } from '@loraloom/client';
import { duration } from '../numbers.ts';
import { Facts } from '../parts/facts.tsx';
import { explain } from '../parts/trouble.ts';
import { useSpeech, useWords } from '../speech.tsx';
import { batchWords } from './words.ts';

/** What a batch would take, and what is wrong with which row. */
export function Estimate({ estimate }: { estimate: BatchEstimate }) {
  const words = useWords(batchWords);
  const { language } = useSpeech();
  const { lines, images, invalid_lines, refused_lines, estimated_gpu_seconds: seconds, errors } = estimate;
  return (
    <div class="dry-run stack tight">
      <p role="status">
        <strong>{invalid_lines > 0 ? words.invalid(invalid_lines) : words.fine(lines)}</strong>{' '}
        {(invalid_lines > 0 || lines === 0) && words.mend}
      </p>
      <Facts
        rows={[
          [words.facts.pictures, new Intl.NumberFormat(language).format(images)],
          [words.facts.time, seconds === null ? words.unpriced : duration(seconds, language)],
          [words.facts.cost, money(estimate, language)],
          [words.facts.refused, refused_lines > 0 ? words.refused(refused_lines) : ''],
        ]}
      />
      <Faults errors={errors} all={invalid_lines + refused_lines} />
    </div>
  );
}

/** "$1.20", "$0.0004"; empty where no prices are configured. */
const money = ({ estimated_cost: cost, currency }: BatchEstimate, language: string) =>
  cost === null || currency === null
    ? ''
    : new Intl.NumberFormat(language, { style: 'currency', currency, maximumSignificantDigits: 4 }).format(cost);

/** Rows that are not right, by their numbers. */
export function Faults({ errors, all }: { errors: BatchView['errors']; all: number }) {
  const words = useWords(batchWords);
  const { language } = useSpeech();
  if (errors.length === 0) return null;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached with the keyboard */}
      <section class="faults" tabIndex={0} aria-label={words.faults}>
        <table>
          <thead>
            <tr>
              <th scope="col">{words.row}</th>
              <th scope="col">{words.wrong}</th>
            </tr>
          </thead>
          <tbody>
            {errors.map((error) => {
              const { what, todo, said } = explain(error, language);
              return (
                <tr key={`${error.line} ${error.code} ${error.param}`}>
                  <th scope="row">{error.line}</th>
                  <td>
                    {what} {todo} {said && <span class="quiet">{said}</span>}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
      {all > errors.length && <p class="quiet small">{words.firstFaults(errors.length)}</p>}
    </>
  );
}
