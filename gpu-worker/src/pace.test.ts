import { expect, test } from 'vitest';
import { newPace } from './pace.ts';

test('jobs a second while there are some, told every ten seconds at most', () => {
  let time = 0;
  const pace = newPace(() => time);
  const told: (number | undefined)[] = [];
  // Two at a time, one ends every four seconds.
  pace.begun();
  for (let i = 0; i < 5; i++) {
    pace.begun();
    time += 4000;
    told.push(pace.ended());
  }
  // After 4 s one job in 4 s; after 16 s four in 16 s.
  expect(told).toEqual([0.25, undefined, undefined, 0.25, undefined]);
  pace.ended();
  // An idle hour does not count.
  time += 3_600_000;
  pace.begun();
  time += 2000;
  expect(pace.ended()).toBe(0.5);
  // Of a long busy time the last minute counts: a job every 5 s, twelve in 60 s.
  pace.begun();
  const later: (number | undefined)[] = [];
  for (let i = 0; i < 40; i++) {
    pace.begun();
    time += 5000;
    later.push(pace.ended());
  }
  expect(later.findLast((value) => value !== undefined)).toBeCloseTo(0.2, 10);
});
