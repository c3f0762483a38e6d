import { type ChildProcess, fork } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The worker program as a child, started again whenever it dies, later and later if it keeps dying. */
export interface WorkerProcess {
  /** Of the child that runs now. */
  pid(): number | undefined;
  /** Tells it to stop, and waits until it has put back what it was doing. */
  stop(): Promise<void>;
}

const program = fileURLToPath(import.meta.resolve('@loraloom/gpu-worker/main'));

/** @param logFile where what the worker prints is appended */
export function startWorkerProcess(environment: Record<string, string>, logFile: string): WorkerProcess {
  const log = createWriteStream(logFile, { flags: 'a' });
  let stopping = false;
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let pauseSeconds = 0.2;
  const start = () => {
    const begun = Date.now();
    const running = fork(program, { env: { PATH: process.env.PATH, ...environment }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    child = running;
    running.stdout?.pipe(log, { end: false });
    running.stderr?.pipe(log, { end: false });
    running.once('exit', () => {
      if (stopping) return;
      pauseSeconds = Date.now() - begun > 60_000 ? 0.2 : Math.min(pauseSeconds * 2, 30);
      timer = setTimeout(start, pauseSeconds * 1000);
    });
  };
  start();
  return {
    pid: () => child?.pid,
    async stop() {
      stopping = true;
      clearTimeout(timer);
      const running = child;
      if (running && running.exitCode === null && running.signalCode === null) {
        const gone = new Promise((resolve) => running.once('exit', resolve));
        running.kill('SIGTERM');
        // A step of a large model may take long; beyond that the next worker picks the job up anyway.
        const impatience = setTimeout(() => running.kill('SIGKILL'), 30_000);
        await gone;
        clearTimeout(impatience);
      }
      log.end();
    },
  };
}
