import type { TrainingView } from '@loraloom/client';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useSpeech, useWords } from '../speech.tsx';
import { type Point, smoothed, thinned, ticksOf } from './curve.ts';
import { trainWords } from './words.ts';

interface CurvesProps {
  training: TrainingView;
  losses: ReadonlyMap<number, number>;
}

/** In pixels; it is as wide as its place. */
const height = 220;
const margin = { left: 48, right: 12, top: 10, bottom: 26 };

/** The loss of each step, its mean, and the loss on pictures that are not trained on. */
export function Curves({ training, losses }: CurvesProps) {
  const words = useWords(trainWords);
  const { language } = useSpeech();
  const [width, setWidth] = useState(320);
  const place = useRef<HTMLElement>(null);
  const drawn = losses.size > 0;
  useLayoutEffect(() => {
    if (!place.current) return;
    const watch = new ResizeObserver(([entry]) => entry && setWidth(Math.max(200, Math.floor(entry.contentRect.width))));
    watch.observe(place.current);
    return () => watch.disconnect();
  }, [drawn]);
  const raw = [...losses].map(([step, value]): Point => ({ step, value })).sort((a, b) => a.step - b.step);
  const validation = training.checkpoints.flatMap(({ step, validation_loss: value }) =>
    value === null ? [] : [{ step, value }],
  );
  const last = raw.at(-1);
  if (!last) return null;
  const [each, mean] = [thinned(raw), thinned(smoothed(raw))];
  const rows = ticksOf([...each, ...mean, ...validation].map(({ value }) => value));
  const [bottom = 0, top = 1] = [rows[0], rows.at(-1)];
  // What was stopped does not come to its last step any more.
  const going = training.status === 'queued' || training.status === 'running';
  const all = going ? Math.max(training.request.steps, last.step) : last.step;
  const x = (step: number) => margin.left + ((width - margin.left - margin.right) * (step - 1)) / Math.max(1, all - 1);
  const y = (value: number) => margin.top + ((height - margin.top - margin.bottom) * (top - value)) / (top - bottom);
  const line = (points: readonly Point[]) =>
    points.map(({ step, value }) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
  const number = new Intl.NumberFormat(language, { maximumSignificantDigits: 3 });
  const steps = ticksOf([0, all]).filter((step) => Number.isInteger(step) && step > 0 && step <= all);
  return (
    <figure class="curves" ref={place}>
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={words.curvesTold(number.format(mean[0]?.value ?? 0), number.format(mean.at(-1)?.value ?? 0), last.step)}
      >
        {rows.map((value) => (
          <g key={value}>
            <line class="grid" x1={margin.left} x2={width - margin.right} y1={y(value)} y2={y(value)} />
            <text x={margin.left - 6} y={y(value) + 4} text-anchor="end">
              {number.format(value)}
            </text>
          </g>
        ))}
        {steps.map((step) => (
          <text key={step} x={x(step)} y={height - 6} text-anchor="middle">
            {step}
          </text>
        ))}
        <polyline class="each" points={line(each)} />
        <polyline class="mean" points={line(mean)} />
        <polyline class="validation" points={line(validation)} />
        {validation.map(({ step, value }) => (
          <circle key={step} class="validation" cx={x(step)} cy={y(value)} r={step === training.best_step ? 5 : 3} />
        ))}
      </svg>
      <figcaption class="row small quiet">
        <span class="key mean">{words.lossMean}</span>
        {validation.length > 0 && <span class="key validation">{words.lossValidation}</span>}
        <span class="key each">{words.lossEach}</span>
      </figcaption>
    </figure>
  );
}
