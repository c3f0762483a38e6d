import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodePicture, randomFrom } from '@loraloom/engine';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backgrounds } from './backgrounds.ts';
import { backgroundOf, difference } from './colour.ts';
import { iconNames, renderFitted } from './icons.ts';
import { styleFolder } from './index.ts';
import { inkCaption, inkPicture, inkSubjects } from './ink.ts';
import { dataset, type Example, randomPlacement } from './pictures.ts';
import { plainSubjects, subjects } from './subjects.ts';

let folder = '';
let examples: Example[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'emoji-base-'));
  examples = await dataset({ folder });
});
afterAll(() => rm(folder, { recursive: true }));

const size = 128;
const bounds = (icon: Uint8Array) => {
  const seen = Array.from({ length: size * size }, (_, i) => i).filter((i) => (icon[i * 4 + 3] ?? 0) >= 8);
  const [xs, ys] = [seen.map((i) => i % size), seen.map((i) => Math.floor(i / size))];
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
};

describe('subjects', () => {
  it('has fifty plain ones, each caption and each icon once', () => {
    expect(plainSubjects.length).toBe(50);
    expect(subjects.slice(0, 50)).toEqual(plainSubjects);
    expect(new Set(subjects.map(({ caption }) => caption)).size).toBe(subjects.length);
    expect(new Set(subjects.map(({ icon }) => icon)).size).toBe(subjects.length);
  });

  it('names icons that the sets have', () => {
    for (const set of new Set(subjects.flatMap(({ sets }) => sets))) {
      const names = new Set(iconNames(set));
      expect(subjects.filter(({ sets, icon }) => sets.includes(set) && !names.has(icon))).toEqual([]);
    }
  });
});

describe('pictures', () => {
  it('pairs every subject with every background', () => {
    expect(examples.length).toBe(plainSubjects.flatMap(({ sets }) => sets).length * backgrounds.length);
    expect(examples.map(({ caption }) => caption)).toContain('red apple, blue background');
    expect(new Set(examples.map(({ caption }) => caption)).size).toBe(plainSubjects.length * backgrounds.length);
  });

  it('fits an icon to the frame, whatever margin its set leaves', async () => {
    for (const set of ['noto', 'fluent-emoji-flat', 'noto-v1', 'fluent-emoji-high-contrast'] as const) {
      const { left, right, top, bottom } = bounds(await renderFitted(set, 'balloon', size));
      expect(Math.max(right - left, bottom - top) + 1).toBeGreaterThanOrEqual(size - 4);
      expect(Math.abs(left + right - (size - 1))).toBeLessThanOrEqual(3);
    }
  });

  it('shows the subject’s own colour in the middle and the background’s in the corners', () => {
    const apple = examples.find(({ caption }) => caption === 'red apple, blue background')?.render() ?? new Uint8Array();
    const at = (x: number, y: number) => [...apple.subarray((y * size + x) * 3, (y * size + x) * 3 + 3)];
    expect(apple.length).toBe(size * size * 3);
    expect(at(0, 0)).toEqual(backgrounds.find(({ name }) => name === 'blue')?.colour);
    // #F8312F fills Fluent's apple.
    expect(at(64, 80)).toEqual([248, 49, 47]);
  });

  it('gives planes and bytes that agree', () => {
    const [example] = examples;
    const [planes, bytes] = [example?.planes() ?? new Float32Array(), example?.render() ?? new Uint8Array()];
    for (const i of [0, 5000, 8256]) {
      for (const c of [0, 1, 2]) expect(bytes[i * 3 + c]).toBe(Math.round(((planes[c * size * size + i] ?? 0) + 1) * 127.5));
    }
  });

  it('shows flips and shifts', () => {
    const render = (right: number, flip: boolean) =>
      examples[0]?.render({ flip, right, down: 0, scale: 0.8 }) ?? new Uint8Array();
    const [plain, flipped, shifted] = [render(0, false), render(0, true), render(3, false)];
    const at = (picture: Uint8Array, x: number) => picture[(40 * size + x) * 3 + 1];
    for (const x of [20, 50, 70, 90]) {
      expect(at(flipped, size - 1 - x)).toBe(at(plain, x));
      expect(at(shifted, x + 3)).toBe(at(plain, x));
    }
  });
});

describe('backgrounds', () => {
  it('lie well apart', () => {
    const pairs = backgrounds.flatMap((a, i) => backgrounds.slice(i + 1).map((b) => difference(a.colour, b.colour)));
    expect(Math.min(...pairs)).toBeGreaterThan(0.09);
  });

  it('measures colours as OKLab does', () => {
    expect(difference([255, 255, 255], [0, 0, 0])).toBeCloseTo(1, 4);
    // Its author's table: red is (0.628, 0.225, 0.126), blue (0.452, −0.032, −0.312).
    expect(difference([255, 0, 0], [0, 0, 255])).toBeCloseTo(Math.hypot(0.628 - 0.452, 0.225 + 0.032, 0.126 + 0.312), 2);
  });

  it('are told right from every training picture, wherever the subject stands', () => {
    const wrong = examples.filter(({ background, render }, i) => {
      const picture = { width: size, height: size, data: render(randomPlacement(randomFrom(i))) };
      return backgroundOf(picture).background !== background;
    });
    expect(wrong.map(({ caption }) => caption)).toEqual([]);
  });
});

describe('the ink style', () => {
  it('shows 24 subjects and leaves as many for the LoRA to carry the style to', () => {
    expect(inkSubjects.length).toBe(24);
    expect(plainSubjects.length - inkSubjects.length).toBeGreaterThanOrEqual(20);
  });

  it('lies in the repository as it is rendered', async () => {
    const lines = (await readFile(join(styleFolder, 'metadata.csv'), 'utf8')).trimEnd().split('\n');
    expect(lines[0]).toBe('file_name,caption');
    expect(lines.slice(1)).toEqual(
      inkSubjects.map((subject) => `${subject.caption.replaceAll(' ', '-')}.png,"${inkCaption(subject)}"`),
    );
    const [strawberry] = inkSubjects;
    if (!strawberry) throw new Error('no ink subjects');
    const kept = await decodePicture(await readFile(join(styleFolder, 'strawberry.png')));
    const drawn = await inkPicture(strawberry);
    // Another version of librsvg may smooth an edge differently.
    const far = kept.data.filter((value, i) => Math.abs(value - (drawn.data[i] ?? 0)) > 24).length;
    expect(far).toBeLessThan(kept.data.length / 500);
  });
});
