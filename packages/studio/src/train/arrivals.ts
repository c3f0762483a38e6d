import { useEffect, useRef, useState } from 'preact/hooks';
import { likenessOf } from '../parts/likeness.ts';
import { useApi } from '../session.tsx';
import type { DraftPicture } from './draft.ts';
import { type Found, type Gathered, gather } from './gather.ts';

type Coming = Gathered['pictures'][number];

/** How many pictures are uploaded at a time. */
const atATime = 4;
/** The longer side of the likeness that stays in the browser, in pixels. */
const likenessSide = 160;

export interface Arrivals {
  /** While pictures are on their way: how much of them has gone out, all of them together. */
  sending: { sentBytes: number; totalBytes: number; left: number } | undefined;
  /** Names of what could not be used. */
  leftOut: readonly string[];
  /** Why some did not arrive; `retry` sends these. */
  problem: unknown;
  retry: () => void;
  take: (found: Found[] | Promise<Found[]>) => Promise<void>;
}

/**
 * Uploads what is dropped at once, so that it can be looked over before a training is asked for, and is there after a reload.
 * @param onPicture told of each picture that has arrived
 * @param onCaptions told the captions of lists and texts, also of pictures that came before
 */
export function useArrivals(onPicture: (picture: DraftPicture) => void, onCaptions: (captions: Gathered['captions']) => void) {
  const api = useApi();
  const [sending, setSending] = useState<Arrivals['sending']>();
  const [leftOut, setLeftOut] = useState<readonly string[]>([]);
  const [problem, setProblem] = useState<unknown>(null);
  const [failed, setFailed] = useState<readonly Coming[]>([]);
  /** What is on its way, and what of it is still to be sent. */
  const shipment = useRef<{ queue: Coming[]; all: Coming[] } | undefined>(undefined);

  // What has not arrived is lost with the page.
  const busy = sending !== undefined;
  useEffect(() => {
    if (!busy) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [busy]);

  async function send(pictures: readonly Coming[]) {
    setProblem(null);
    setFailed([]);
    if (shipment.current) {
      // What is dropped in the meantime goes along.
      shipment.current.queue.push(...pictures);
      shipment.current.all.push(...pictures);
      return;
    }
    const queue = [...pictures];
    const all = [...pictures];
    shipment.current = { queue, all };
    const sent = new Map<Coming, number>();
    const lost: Coming[] = [];
    let done = 0;
    const sum = (counts: Iterable<number>) => [...counts].reduce((before, count) => before + count, 0);
    const tell = () =>
      setSending({ sentBytes: sum(sent.values()), totalBytes: sum(all.map(({ file }) => file.size)), left: all.length - done });
    const sendOne = async (coming: Coming) => {
      const { file, caption } = coming;
      const onProgress = (bytes: number) => {
        sent.set(coming, bytes);
        tell();
      };
      try {
        const [likeness, size, { id }] = await Promise.all([
          likenessOf(file, likenessSide),
          sizeOf(file),
          api.files.upload(file, { onProgress }),
        ]);
        onPicture({ fileId: id, name: file.name, caption, likeness, ...size });
      } catch (error) {
        lost.push(coming);
        setProblem(error);
      }
      done++;
      tell();
    };
    const sendNext = async () => {
      for (let next = queue.shift(); next; next = queue.shift()) await sendOne(next);
    };
    tell();
    while (queue.length > 0) await Promise.all(Array.from({ length: atATime }, sendNext));
    shipment.current = undefined;
    setFailed(lost);
    setSending(undefined);
  }

  return {
    sending,
    leftOut,
    problem,
    retry: () => void send(failed),
    async take(found) {
      try {
        const gathered = await gather(await found);
        setLeftOut(gathered.leftOut);
        if (gathered.pictures.length > 0) await send(gathered.pictures);
        if (gathered.captions.size > 0) onCaptions(gathered.captions);
      } catch (error) {
        setProblem(error);
      }
    },
  } satisfies Arrivals;
}

/** In pixels, turned as the picture is shown; of a file that the browser cannot read, a square. */
async function sizeOf(file: File): Promise<{ width: number; height: number }> {
  try {
    const whole = await createImageBitmap(file);
    const { width, height } = whole;
    whole.close();
    return { width, height };
  } catch {
    return { width: 1, height: 1 };
  }
}
