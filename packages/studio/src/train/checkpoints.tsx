import type { TrainingView } from '@loraloom/client';
import { useWords } from '../speech.tsx';
import { trainWords } from './words.ts';

interface CheckpointsProps {
  training: TrainingView;
  /** The step of the chosen one. */
  chosen: number | undefined;
  onChoose: (step: number) => void;
  /** A picture's URL has run out. */
  onStale: () => void;
}

/** What each checkpoint draws, side by side, and how well it does; one of them is chosen. */
export function Checkpoints({ training, chosen, onChoose, onStale }: CheckpointsProps) {
  const words = useWords(trainWords);
  const { checkpoints, samples, best_step, request } = training;
  const steps = [...new Set([...checkpoints, ...samples].map(({ step }) => step))].sort((a, b) => a - b);
  if (steps.length === 0) return null;
  return (
    <div class="scroll">
      <table class="checkpoints">
        <caption class="unseen">{words.checkpoints}</caption>
        <thead>
          <tr>
            {request.sample_prompts.length > 0 && <td />}
            {steps.map((step) => {
              const kept = checkpoints.find((one) => one.step === step);
              return (
                <th key={step} scope="col" class={step === chosen ? 'chosen' : ''}>
                  <label>
                    <input
                      type="radio"
                      name="checkpoint"
                      checked={step === chosen}
                      disabled={!kept}
                      onChange={() => onChoose(step)}
                    />
                    <span>{words.stepNumber(step)}</span>
                  </label>
                  {kept && (
                    <span class="quiet">
                      {kept.validation_loss === null
                        ? words.loss(kept.loss.toFixed(4))
                        : words.validation(kept.validation_loss.toFixed(4))}
                    </span>
                  )}
                  {step === best_step && <span class="chip on">{words.best}</span>}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {request.sample_prompts.map((prompt, index) => (
            <tr key={prompt}>
              <th scope="row">{prompt}</th>
              {steps.map((step) => {
                const sample = samples.find((one) => one.step === step && one.index === index);
                return (
                  <td key={step} class={step === chosen ? 'chosen' : ''}>
                    {sample && <img src={sample.url} alt={words.sampleOf(prompt, step)} onError={onStale} />}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
