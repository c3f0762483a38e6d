import type { FileView, UploadOptions } from '@loraloom/client';
import { useState } from 'preact/hooks';
import { bytes } from '../numbers.ts';
import { useApi } from '../session.tsx';
import { dictionary, useSpeech, useWords } from '../speech.tsx';
import { Meter } from './meter.tsx';

interface Sent {
  name: string;
  sentBytes: number;
  totalBytes: number;
}

/** Uploads a file, and tells how far that has come while it does. */
export function useUpload() {
  const api = useApi();
  const [sending, setSending] = useState<Sent>();
  async function upload(file: File, options: Omit<UploadOptions, 'onProgress'> = {}): Promise<FileView> {
    const onProgress = (sentBytes: number) => setSending({ name: file.name, sentBytes, totalBytes: file.size });
    onProgress(0);
    try {
      return await api.files.upload(file, { ...options, onProgress });
    } finally {
      setSending(undefined);
    }
  }
  return { sending, upload };
}

/** How much of a file has gone out. */
export function Sending({ name, sentBytes, totalBytes }: Sent) {
  const words = useWords(sendingWords);
  const { language } = useSpeech();
  return (
    <div>
      <p>{name}</p>
      <Meter label={name} value={sentBytes} of={totalBytes} />
      <p class="quiet small">{words.of(bytes(sentBytes, language), bytes(totalBytes, language))}</p>
    </div>
  );
}

const sendingWords = dictionary(
  { of: (sent: string, all: string) => `${sent} of ${all}` },
  { of: (sent: string, all: string) => `${sent} / ${all}` },
);
