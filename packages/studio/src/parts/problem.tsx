import { keepKey, useHasKey } from '../session.tsx';
import { dictionary, useSpeech, useWords } from '../speech.tsx';
import { explain } from './trouble.ts';

interface ProblemProps {
  error: unknown;
  onRetry?: (() => unknown) | undefined;
  /** It is not news, so it is not read out of turn. */
  old?: boolean;
}

/** What went wrong and what to do about it; nothing where nothing did. */
export function Problem({ error, onRetry, old = false }: ProblemProps) {
  const { language } = useSpeech();
  const words = useWords(problemWords);
  const hasKey = useHasKey();
  if (error === null || error === undefined) return null;
  const { what, todo, said, requestId, code } = explain(error, language);
  return (
    <div class="problem" {...(old ? {} : { role: 'alert' })}>
      <p>
        <strong>{what}</strong> {todo}
      </p>
      {said && <p class="quiet">{said}</p>}
      {requestId && (
        <p class="quiet small">
          {words.request} <code>{requestId}</code>
        </p>
      )}
      {code === 'unauthorized' && hasKey ? (
        <button
          type="button"
          onClick={() => {
            keepKey(null);
            location.reload();
          }}
        >
          {words.otherKey}
        </button>
      ) : (
        onRetry && (
          <button type="button" onClick={onRetry}>
            {words.again}
          </button>
        )
      )}
    </div>
  );
}

const problemWords = dictionary(
  { request: 'Request', otherKey: 'Enter another key', again: 'Try again' },
  { request: '请求编号', otherKey: '输入另一个密钥', again: '重试' },
);
