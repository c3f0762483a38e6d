import { stageNamed } from './stage.ts';

/*
 * `npm run simulate`: what pictures cost and how long they wait, on paper. Read docs/simulation.md for what it means.
 */

/** All that is believed of the world; seconds, dollars. */
export const assumptions = {
  /** Of a picture alone, and how much of a step's time does not grow with the batch (8 pictures together are 1.4 × as fast). */
  pictureSeconds: 2.5,
  sharedPart: 0.33,
  slots: 8,
  /** From a wish for a machine to its first picture, drawn evenly; and where a machine is still there. */
  coldSeconds: [180, 300] as const,
  warmSeconds: 20,
  /** Until the cluster gives back a machine without a task. */
  idleSeconds: 15 * 60,
  /** Spot machines taken away, per machine and hour; spells in which none is to be had, a day, and how long they last. */
  interruptions: 0.03,
  droughts: 0.5,
  droughtSeconds: 20 * 60,
  spotHour: 0.4,
  onDemandHour: 0.8048,
  /** Auto scaling looks every minute, acts after so many minutes above or below its target, and then holds still. */
  minutesOut: 3,
  minutesIn: 15,
  holdOut: 120,
  holdIn: 300,
};
type Assumptions = typeof assumptions;

export interface Scenario {
  perDay: number;
  /** `bursty`: four fifths of a day's pictures come in four batches of one tenant, each within a minute. */
  pattern: 'steady' | 'bursty';
  days: number;
  /** `scaled`: what infra does. `per` is what jobs are counted against: the tasks that run, or those that were wished for. */
  machines: { scaled: { jobsPerWorker: number; most: number; per: 'running' | 'desired' } } | { always: number };
  /** Whether whoever sends few goes before whoever sends many, as SQS does with message groups. Default true. */
  fair?: boolean;
  /** Exponential instead of equal work, to compare with a formula. */
  exponential?: boolean;
  assumed?: Partial<Assumptions>;
  seed?: number;
}

export interface Outcome {
  pictures: number;
  dollarsPer1000: number;
  /** Seconds until work on a picture begins: the median, the 99th percentile, that of those who send few, and the mean. */
  p50: number;
  p99: number;
  fewP99: number;
  mean: number;
  /** Share of paid machine time in which a picture was being made. */
  utilization: number;
  peakMachines: number;
}

interface Picture {
  at: number;
  few: boolean;
  begun: boolean;
  /** Of a picture's work; 1 unless exponential. */
  work: number;
}
interface Machine {
  since: number;
  task: 'none' | 'starting' | 'running';
  /** Counts changes, so that events made before one are known to be stale. */
  version: number;
  pictures: { picture: Picture; left: number }[];
  updated: number;
}

export function simulate(scenario: Scenario): Outcome {
  const { perDay, pattern, days, machines: rule, fair = true, exponential = false, seed = 1 } = scenario;
  const a = { ...assumptions, ...scenario.assumed };
  const random = mulberry32(seed);
  const gap = (rate: number) => -Math.log(1 - random()) / rate;
  const end = days * 86_400;
  const events = newHeap();
  const waits: { few: number[]; many: number[] } = { few: [], many: [] };
  const queues = { few: newQueue<Picture>(), many: newQueue<Picture>() };
  const machines = new Set<Machine>();
  let [now, paid, busy, peak, asked, made, free, drought] = [0, 0, 0, 0, 0, 0, 0, false];

  const picture = (few: boolean): Picture => ({ at: now, few, begun: false, work: exponential ? gap(1) : 1 });
  const arrive = (few: boolean) => {
    asked++;
    queues[few ? 'few' : 'many'].push(picture(few));
    assign();
  };

  // --- the queue and the batches
  const next = (): Picture | undefined => {
    const { few, many } = queues;
    if (!fair && (many.peek()?.at ?? Infinity) < (few.peek()?.at ?? Infinity)) return many.shift();
    return few.shift() ?? many.shift();
  };
  /** Seconds that each of n pictures takes while they are n. */
  const pace = (n: number) => a.pictureSeconds * (a.sharedPart + (1 - a.sharedPart) * n);
  const advance = (machine: Machine) => {
    const passed = now - machine.updated;
    if (machine.pictures.length > 0) {
      const done = passed / pace(machine.pictures.length);
      for (const entry of machine.pictures) entry.left -= done;
      busy += passed;
    }
    machine.updated = now;
  };
  const assign = () => {
    // The emptiest first, as long polling has it: whoever has nothing to do asks first.
    while (free > 0 && queues.few.size() + queues.many.size() > 0) {
      let best: Machine | undefined;
      for (const machine of machines) {
        if (machine.task !== 'running' || machine.pictures.length >= a.slots) continue;
        if (!best || machine.pictures.length < best.pictures.length) best = machine;
        if (best.pictures.length === 0) break;
      }
      const taken = best && next();
      if (!best || !taken) return;
      advance(best);
      if (!taken.begun) waits[taken.few ? 'few' : 'many'].push(now - taken.at);
      taken.begun = true;
      best.pictures.push({ picture: taken, left: taken.work });
      free--;
      plan(best);
    }
  };
  const plan = (machine: Machine) => {
    const version = ++machine.version;
    if (machine.pictures.length === 0) return;
    let least = Infinity;
    for (const { left } of machine.pictures) if (left < least) least = left;
    events.push(now + Math.max(0, least) * pace(machine.pictures.length), () => {
      if (machine.version !== version) return;
      advance(machine);
      const before = machine.pictures.length;
      machine.pictures = machine.pictures.filter(({ left }) => left > 1e-9);
      made += before - machine.pictures.length;
      free += before - machine.pictures.length;
      plan(machine);
      assign();
    });
  };

  // --- machines
  const stopTask = (machine: Machine) => {
    advance(machine);
    // What was begun goes back to the queue, and is begun anew.
    for (const { picture: lost } of machine.pictures) queues[lost.few ? 'few' : 'many'].unshift(lost);
    if (machine.task === 'running') free -= a.slots - machine.pictures.length;
    machine.pictures = [];
    machine.task = 'none';
    const version = ++machine.version;
    events.push(now + a.idleSeconds, () => machine.version === version && giveBack(machine));
  };
  const giveBack = (machine: Machine) => {
    if (!machines.delete(machine)) return;
    paid += now - machine.since;
  };
  const startTask = (machine: Machine, seconds: number) => {
    machine.task = 'starting';
    const version = ++machine.version;
    events.push(now + seconds, () => {
      if (machine.version !== version) return;
      machine.task = 'running';
      free += a.slots;
      machine.updated = now;
      assign();
    });
  };
  const launch = (ready = false) => {
    const machine: Machine = { since: now, task: 'none', version: 0, pictures: [], updated: now };
    machines.add(machine);
    peak = Math.max(peak, machines.size);
    if (ready) {
      machine.task = 'running';
      free += a.slots;
    } else startTask(machine, a.coldSeconds[0] + random() * (a.coldSeconds[1] - a.coldSeconds[0]));
    if ('always' in rule) return;
    events.push(now + gap(a.interruptions / 3600), () => {
      if (!machines.has(machine)) return;
      if (machine.task !== 'none') stopTask(machine);
      giveBack(machine);
      settle();
      assign();
    });
  };

  // --- scaling
  let [desired, above, below, holdUntil] = [0, 0, 0, 0];
  /** As many tasks as are wished for: on machines that are there, then on new ones while there are any to be had. */
  const settle = () => {
    const tasks = [...machines].filter(({ task }) => task !== 'none');
    for (const machine of tasks.slice(desired)) stopTask(machine);
    const idle = [...machines].filter(({ task }) => task === 'none');
    for (let missing = desired - tasks.length; missing > 0; missing--) {
      const machine = idle.pop();
      if (machine) startTask(machine, a.warmSeconds);
      else if (!drought) launch();
    }
  };
  const look = () => {
    if ('always' in rule) return;
    const { jobsPerWorker: target, most, per } = rule.scaled;
    const running = [...machines].filter(({ task }) => task === 'running');
    const waiting = queues.few.size() + queues.many.size();
    const jobs = waiting + running.reduce((sum, machine) => sum + machine.pictures.length, 0);
    const metric = jobs / Math.max(per === 'running' ? running.length : desired, 1);
    above = metric > target ? above + 1 : 0;
    below = metric < 0.9 * target ? below + 1 : 0;
    if (desired === 0) desired = waiting > 0 ? 1 : 0;
    else if (now >= holdUntil && (above >= a.minutesOut || below >= a.minutesIn)) {
      const wish = Math.min(most, Math.ceil((desired * metric) / target));
      holdUntil = now + (wish > desired ? a.holdOut : wish < desired ? a.holdIn : 0);
      desired = wish;
    }
    settle();
    events.push(now + 60, look);
  };

  // --- what comes in
  const share = pattern === 'bursty' ? 0.2 : 1;
  const trickle = () => {
    events.push(now + gap((perDay * share) / 86_400), () => {
      if (now < end) trickle();
      arrive(true);
    });
  };
  trickle();
  if (pattern === 'bursty') {
    for (let batch = 0; batch < 4 * days; batch++) {
      const at = random() * (end - 7200);
      for (let i = 0; i < perDay * 0.2; i++) events.push(at + random() * 60, () => arrive(false));
    }
  }
  const dry = () => {
    events.push(now + gap(a.droughts / 86_400), () => {
      drought = true;
      events.push(now + a.droughtSeconds, () => {
        drought = false;
      });
      dry();
    });
  };
  dry();
  if ('always' in rule) for (let i = 0; i < rule.always; i++) launch(true);
  else look();

  // What waits at the end is finished, and machines are given back, so that nothing goes uncounted.
  for (;;) {
    const event = events.pop();
    if (!event) break;
    const over = event.at > end && made === asked && ('always' in rule || machines.size === 0);
    now = over ? Math.max(now, end) : event.at;
    if (over) break;
    event.run();
  }
  for (const machine of machines) paid += now - machine.since;
  const all = Float64Array.from([...waits.few, ...waits.many]).sort();
  const few = Float64Array.from(waits.few).sort();
  const hour = 'always' in rule ? a.onDemandHour : a.spotHour;
  return {
    pictures: made,
    dollarsPer1000: ((paid / 3600) * hour * 1000) / made,
    p50: quantile(all, 0.5),
    p99: quantile(all, 0.99),
    fewP99: quantile(few, 0.99),
    mean: all.reduce((sum, wait) => sum + wait, 0) / all.length,
    utilization: busy / paid,
    peakMachines: peak,
  };
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

/** Tommy Ettinger's mulberry32: the same numbers for the same seed. */
function mulberry32(seed: number) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A queue whose front is an index, since it may hold a hundred thousand. */
function newQueue<T>() {
  const items: (T | undefined)[] = [];
  const returned: T[] = [];
  let front = 0;
  return {
    size: () => items.length - front + returned.length,
    peek: () => returned.at(-1) ?? items[front],
    push: (item: T) => items.push(item),
    unshift: (item: T) => returned.push(item),
    shift(): T | undefined {
      const back = returned.pop();
      if (back !== undefined || front >= items.length) return back;
      const item = items[front];
      items[front++] = undefined;
      return item;
    },
  };
}

/** Events by time, those of the same time in the order in which they were made. */
function newHeap() {
  type Event = { at: number; order: number; run: () => void };
  const heap: Event[] = [];
  let orders = 0;
  const before = (x: Event, y: Event) => x.at < y.at || (x.at === y.at && x.order < y.order);
  return {
    push(at: number, run: () => void) {
      const event = { at, order: orders++, run };
      let i = heap.length;
      heap.push(event);
      for (let up = (i - 1) >> 1; i > 0; i = up, up = (i - 1) >> 1) {
        const parent = heap[up];
        if (!parent || before(parent, event)) break;
        heap[i] = parent;
        heap[up] = event;
      }
    },
    pop(): Event | undefined {
      const top = heap[0];
      const last = heap.pop();
      if (!top || !last || heap.length === 0) return top;
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        const [left, right] = [heap[child], heap[child + 1]];
        if (!left) break;
        if (right && before(right, left)) child++;
        const smaller = heap[child];
        if (!smaller || !before(smaller, last)) break;
        heap[i] = smaller;
        i = child;
      }
      heap[i] = last;
      return top;
    },
  };
}

// --- what is printed

const { gpu } = stageNamed('production');
/** What infra does, but for the most machines, which is a limit of the bill and not of what is best. */
const scaled = (jobsPerWorker: number = gpu.jobsPerWorker.images, most = 64, per: 'running' | 'desired' = 'desired') => ({
  scaled: { jobsPerWorker, most, per },
});
/** Ten days of few pictures, so that there are some to count. */
const daysOf = (perDay: number) => (perDay < 10_000 ? 10 : 1);
const run = (perDay: number, pattern: Scenario['pattern'], rest: Partial<Scenario> = {}) =>
  simulate({ perDay, pattern, days: daysOf(perDay), machines: scaled(), ...rest });
const row = (...cells: (string | number)[]) => console.log(`| ${cells.join(' | ')} |`);
const header = (...cells: string[]) => {
  console.log('');
  row(...cells);
  row(...cells.map(() => '---'));
};
const dollars = (outcome: Outcome) => `$${outcome.dollarsPer1000.toFixed(2)}`;
const seconds = (value: number) => `${Math.round(value)} s`;
const percent = (value: number) => `${(value * 100).toFixed(value < 0.1 ? 1 : 0)} %`;
const patterns = ['steady', 'bursty'] as const;

function printAll() {
  header(
    'pictures a day',
    'arrivals',
    'per 1,000',
    'waits p50',
    'p99',
    'GPU used',
    'most machines',
    'those always on: per 1,000',
    'p50',
    'p99',
    'GPU used',
  );
  for (const perDay of [1e2, 1e3, 1e4, 1e5, 1e6]) {
    for (const pattern of patterns) {
      const on = run(perDay, pattern);
      const always = run(perDay, pattern, { machines: { always: on.peakMachines } });
      const told = (outcome: Outcome) => [
        dollars(outcome),
        seconds(outcome.p50),
        seconds(outcome.p99),
        percent(outcome.utilization),
      ];
      row(perDay.toLocaleString('en'), pattern, ...told(on), on.peakMachines, ...told(always));
    }
  }
  const cases = [
    [1e3, 'bursty'],
    [1e4, 'bursty'],
    [1e5, 'steady'],
  ] as const;
  const told = (outcome: Outcome) => `${dollars(outcome)}, p99 ${seconds(outcome.p99)}`;
  header('jobs per worker', ...cases.map(([perDay, pattern]) => `${perDay.toLocaleString('en')} ${pattern}`));
  for (const target of [5, 10, 20, 40, 80, 160]) {
    row(target, ...cases.map(([perDay, pattern]) => told(run(perDay, pattern, { machines: scaled(target) }))));
  }
  header('jobs are counted per', ...cases.map(([perDay, pattern]) => `${perDay.toLocaleString('en')} ${pattern}`));
  for (const per of ['running', 'desired'] as const) {
    row(`task ${per}`, ...cases.map(([perDay, pattern]) => told(run(perDay, pattern, { machines: scaled(undefined, 64, per) }))));
  }
  header('most machines', '100,000 bursty: per 1,000', 'p50', 'p99', 'p99 of who sends few', 'unfair');
  for (const most of [8, 32]) {
    const machines = scaled(undefined, most);
    const outcome = run(1e5, 'bursty', { machines });
    const unfair = run(1e5, 'bursty', { machines, fair: false });
    row(most, dollars(outcome), seconds(outcome.p50), seconds(outcome.p99), seconds(outcome.fewP99), seconds(unfair.fewP99));
  }
  header('trainings per worker', '10 a day: each', 'p50', 'p99', '200 a day: each', 'p50', 'p99');
  const assumed = { slots: 1, pictureSeconds: 1200 };
  for (const target of [1, 2, 4]) {
    const each = [10, 200].flatMap((perDay) => {
      const outcome = simulate({ perDay, pattern: 'steady', days: 30, machines: scaled(target), assumed });
      return [`$${(outcome.dollarsPer1000 / 1000).toFixed(3)}`, seconds(outcome.p50), seconds(outcome.p99)];
    });
    row(target, ...each);
  }
}

if (import.meta.main) printAll();
