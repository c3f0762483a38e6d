import type { Finding } from '@loraloom/client';
import { useSpeech, useWords } from '../speech.tsx';
import { trainWords } from './words.ts';

/** What the preflight found, and what to do about it; nothing where it found nothing. */
export function Findings({ findings }: { findings: readonly Finding[] }) {
  const words = useWords(trainWords);
  const { language } = useSpeech();
  if (findings.length === 0) return null;
  const known = new Map(Object.entries(words.findings));
  return (
    <ul class="findings small">
      {findings.map(({ code, severity, message, what_to_do }) => {
        // The API says in English what it found, with numbers; what to do about it has other names in this page.
        const [what, todo] = known.get(code) ?? [message, `${what_to_do}.`];
        return (
          <li key={`${code} ${message}`} class={severity}>
            <strong>{words.severities[severity]}</strong> {language === 'en' ? `${message}.` : what} {todo}
            {language !== 'en' && known.has(code) && <span class="quiet"> {message}</span>}
          </li>
        );
      })}
    </ul>
  );
}
