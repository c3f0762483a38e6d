import type { TrainingCheck } from '@loraloom/client';
import { bytes, duration } from '../numbers.ts';
import { useSpeech, useWords } from '../speech.tsx';
import { trainWords } from './words.ts';

interface EstimateProps {
  check: TrainingCheck | undefined;
  stale: boolean;
}

/** What a training would take, before it is asked for. */
export function Estimate({ check, stale }: EstimateProps) {
  const words = useWords(trainWords);
  const { language } = useSpeech();
  if (!check) return null;
  const { steps, cpu_seconds, memory_bytes } = check.estimate;
  return (
    <p class={stale ? 'estimate stale' : 'estimate'} aria-busy={stale}>
      {words.estimate(steps, duration(cpu_seconds, language), bytes(memory_bytes, language))}
    </p>
  );
}
