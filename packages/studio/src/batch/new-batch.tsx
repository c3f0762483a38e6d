import type { BatchEstimate, BatchView, LoraRecord, Model } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { useAttempt } from '../attempt.ts';
import { type Draft, missingTriggers } from '../create/draft.ts';
import { Settings } from '../create/settings.tsx';
import { ShapeChoice } from '../create/shape-choice.tsx';
import { StylePicker } from '../create/style-picker.tsx';
import { useKept } from '../kept.ts';
import { Problem } from '../parts/problem.tsx';
import { Slider } from '../parts/slider.tsx';
import { useApi } from '../session.tsx';
import { useWords } from '../speech.tsx';
import { Estimate } from './estimate.tsx';
import { batchOf, readPlan, withTable } from './plan.ts';
import { Products } from './products.tsx';
import { missingColumns } from './table.ts';
import { Template } from './template.tsx';
import { batchWords } from './words.ts';

interface NewBatchProps {
  models: readonly Model[];
  loras: readonly LoraRecord[];
  onAsked: (batch: BatchView) => void;
}

/** A batch is planned, checked as a whole, and only then asked for. */
export function NewBatch({ models, loras, onAsked }: NewBatchProps) {
  const api = useApi();
  const words = useWords(batchWords);
  const [plan, setPlan] = useKept('batch', readPlan);
  /** Of which request it is: any change makes it out of date. */
  const [checked, setChecked] = useState<{ of: string; estimate: BatchEstimate }>();
  const { busy, problem, attempt } = useAttempt();
  const { draft, table, naming } = plan;
  const model = models.find(({ name }) => name === draft.model) ?? models[0];
  if (!model) return <p class="lead">{words.noModel}</p>;

  const change = (some: Partial<Draft>) => setPlan((before) => ({ ...before, draft: { ...before.draft, ...some } }));
  const asked = table && batchOf(plan, table, model, loras);
  const estimate = checked?.of === JSON.stringify(asked) ? checked.estimate : undefined;
  const good = estimate?.invalid_lines === 0 && estimate.lines > 0;
  const ready = table && draft.prompt.trim() !== '' && missingColumns(draft.prompt, table.columns).length === 0 && !busy;
  const go = () =>
    attempt(async () => {
      if (!asked) return;
      if (good) {
        onAsked(await api.batches.create(asked));
        setChecked(undefined);
      } else setChecked({ of: JSON.stringify(asked), estimate: await api.batches.estimate(asked) });
    });
  return (
    <form
      class={table ? 'card plan' : 'card stack'}
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) void go();
      }}
    >
      <div class="stack">
        <Products
          table={table}
          onChange={(next) => setPlan((before) => (next ? withTable(before, next) : { ...before, table: null }))}
        />
        {table && (
          <>
            <Template
              table={table}
              prompt={draft.prompt}
              triggers={missingTriggers(draft.prompt, draft.styles, loras)}
              onChange={(prompt) => change({ prompt })}
            />
            <label class="field">
              {words.naming}
              <select
                value={naming ?? ''}
                onChange={({ currentTarget: { value } }) => setPlan((before) => ({ ...before, naming: value || null }))}
              >
                <option value="">{words.rowNumber}</option>
                {table.naming.map((column) => (
                  <option key={column} value={column}>
                    {column}
                  </option>
                ))}
              </select>
            </label>
          </>
        )}
      </div>
      {table && (
        <div class="stack">
          <StylePicker loras={loras} model={model.name} chosen={draft.styles} onChange={(styles) => change({ styles })} />
          <ShapeChoice shape={draft.shape} onChange={(shape) => change({ shape })} />
          <Slider label={words.each} value={draft.count} min={1} max={8} onChange={(count) => change({ count })} />
          <Settings draft={draft} models={models} model={model} onChange={change} />
        </div>
      )}
      {table && (
        <div class="stack wide">
          {estimate && <Estimate estimate={estimate} />}
          <Problem error={problem} />
          <div class="row">
            <button type="submit" class="primary" disabled={!ready}>
              {busy ? (good ? words.asking : words.checking) : good ? words.make(estimate.images) : words.check}
            </button>
            {!estimate && <span class="quiet small">{words.checkHint}</span>}
          </div>
        </div>
      )}
    </form>
  );
}
