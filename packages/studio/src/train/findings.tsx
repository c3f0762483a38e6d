import type { Finding } from '@loraloom/client';
import { useSpeech, useWords } from '../speech.tsx';
import { trainWords } from './words.ts';

/** What the preflight found, and what to do about it; nothing where it found nothing. */
export function Findings({ findings }: { findings: readonly Finding[] }) {
  const words = useWords(trainWords);
  const { language } = useSpeech();
  if (findings.length === 0) return null;
  const title = (code: string) => Object.entries(words.findings).find(([known]) => known === code)?.[1];
  return (
    <ul class="findings small">
      {findings.map(({ code, severity, message, what_to_do }) => (
        <li key={`${code} ${message}`} class={severity}>
          <strong>{words.severities[severity]}</strong> {language !== 'en' && title(code)}{' '}
          <span class={language === 'en' ? '' : 'quiet'}>
            {message}; {what_to_do}.
          </span>
        </li>
      ))}
    </ul>
  );
}
