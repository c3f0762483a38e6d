import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'house.test.ts',
      'packages/**/*.test.ts',
      'functions/**/*.test.ts',
      'gpu-worker/**/*.test.ts',
      'infra/**/*.test.ts',
    ],
    // onnxruntime's native sessions do not survive being shared by worker threads; two cores run two files at a time.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
  },
});
