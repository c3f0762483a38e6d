import { setImmediate as turn } from 'node:timers/promises';
import { begin, type Denoising, finished, latentsOf, type PictureRequest, step } from './denoise.ts';
import type { Pipeline } from './families/pipeline.ts';
import { keepUnmasked } from './image.ts';
import type { Picture } from './pixels.ts';
import { keptTexts } from './texts.ts';

/** How far a picture has come. */
export interface Steps {
  step: number;
  steps: number;
}

/** A running batch over one base model, which pictures join and leave between any two steps. */
export interface Batch {
  /**
   * Generates a picture as soon as a slot is free, yielding how far it has come; whoever looks seldom sees only the latest.
   * It comes out the same whatever else the batch holds. Ending the generator early frees its slot.
   * @throws InputError `bad_size`, `bad_steps`, `lora_mismatch`, `not_finite`
   */
  generate(request: PictureRequest, signal?: AbortSignal): AsyncGenerator<Steps, Picture>;
}

/** A request's place in the batch, or before it. */
interface Seat {
  request: PictureRequest;
  signal: AbortSignal | undefined;
  denoising?: Denoising;
  outcome?: { picture: Picture } | { error: unknown };
  left: boolean;
  /** Tells whoever waits for the seat that something has changed. */
  change(): void;
  changed: Promise<void>;
}

/**
 * Opens a batch. Pictures of the same size take their steps together, whatever their prompts, LoRAs, samplers, numbers of steps
 * and seeds are; sizes take turns.
 * @param slots how many pictures of one size may be in the making at once; the others wait in the order of their coming
 */
export function openBatch(pipeline: Pipeline, slots: number): Batch {
  const encode = keptTexts(pipeline);
  let waiting: Seat[] = [];
  let running: Seat[] = [];
  let looping = false;

  const end = (seat: Seat, outcome: Seat['outcome']) => {
    if (outcome) seat.outcome = outcome;
    waiting = waiting.filter((other) => other !== seat);
    running = running.filter((other) => other !== seat);
    notify(seat);
  };
  const sameSize = (a: Seat, b: Seat) => a.request.width === b.request.width && a.request.height === b.request.height;

  /** Lets those in for whom a slot is free. */
  async function admit(): Promise<void> {
    for (const seat of waiting) {
      if (seat.left || seat.outcome) continue;
      if (running.filter((other) => sameSize(seat, other)).length >= slots) continue;
      try {
        seat.denoising = await begin(pipeline, seat.request, { encode });
        waiting = waiting.filter((other) => other !== seat);
        if (!seat.left) running.push(seat);
      } catch (error) {
        end(seat, { error });
      }
    }
  }

  async function run(): Promise<void> {
    for (;;) {
      for (const seat of [...waiting, ...running]) if (seat.signal?.aborted) end(seat, { error: seat.signal.reason });
      await admit();
      const [first] = running;
      if (!first) {
        if (waiting.length > 0) continue;
        // In the same breath as the check, so that whoever comes next finds no loop and starts one.
        looping = false;
        return;
      }
      const together = running.filter((seat) => sameSize(first, seat));
      // Whose turn it was goes to the end of the line.
      running = [...running.filter((seat) => !sameSize(first, seat)), ...together];
      try {
        const before = together.flatMap(({ denoising }) => denoising ?? []);
        const after = await step(pipeline, before);
        for (const [i, seat] of together.entries()) {
          const denoising = after[i];
          if (denoising) seat.denoising = denoising;
          notify(seat);
        }
      } catch (error) {
        for (const seat of together) end(seat, { error });
      }
      for (const seat of together) {
        if (!seat.denoising || seat.outcome || seat.left || !finished(seat.denoising)) continue;
        const { width, height, image } = seat.request;
        try {
          const picture = await decodeLatents(pipeline, latentsOf(seat.denoising), width, height);
          end(seat, { picture: image ? keepUnmasked(picture, image) : picture });
        } catch (error) {
          end(seat, { error });
        }
      }
      // The arithmetic holds this thread: timers and sockets get their turn between two steps.
      await turn();
    }
  }

  return {
    async *generate(request, signal) {
      signal?.throwIfAborted();
      const seat = seatOf(request, signal);
      waiting.push(seat);
      if (!looping) {
        looping = true;
        void run();
      }
      let seen = 0;
      try {
        for (;;) {
          const { changed, outcome, denoising } = seat;
          if (denoising && denoising.i > seen) {
            seen = denoising.i;
            yield { step: seen, steps: denoising.sampler.steps.length };
          } else if (outcome) {
            if ('error' in outcome) throw outcome.error;
            return outcome.picture;
          } else await changed;
        }
      } finally {
        seat.left = true;
        end(seat, undefined);
      }
    },
  };
}

function seatOf(request: PictureRequest, signal: AbortSignal | undefined): Seat {
  const seat: Seat = { request, signal, left: false, changed: Promise.resolve(), change: () => undefined };
  renew(seat);
  return seat;
}

function notify(seat: Seat): void {
  seat.change();
  renew(seat);
}

function renew(seat: Seat): void {
  seat.changed = new Promise((resolve) => {
    seat.change = resolve;
  });
}

/** What a generator returns in the end, for those who do not care how far it has come. */
export async function resultOf<T>(run: AsyncGenerator<unknown, T>): Promise<T> {
  for (;;) {
    const { done, value } = await run.next();
    if (done) return value;
  }
}

/** Latents `[4, h, w]`, as the UNet has them, to a picture. */
export async function decodeLatents(
  { model, programs, latentFactor }: Pipeline,
  latents: Float32Array,
  width: number,
  height: number,
): Promise<Picture> {
  const decoder = await programs.decoder();
  const data = latents.map((value) => value / model.vae.scaling_factor);
  // One picture at a time: the decoder needs far more memory than a step of the UNet, and gains nothing from a batch.
  const { pictures: planes } = await decoder.run({
    latents: { data, dims: [1, 4, height / latentFactor, width / latentFactor] },
  });
  const pixels = new Uint8Array(3 * width * height);
  const plane = width * height;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++)
      pixels[3 * i + c] = Math.round(Math.min(255, Math.max(0, ((planes[c * plane + i] ?? 0) + 1) * 127.5)));
  }
  return { width, height, data: pixels };
}
