import { defineConfig } from 'vitest/config';

const platform = new URL('.sst/platform/', import.meta.url).pathname;

export default defineConfig({
  // infra/ is evaluated with the very modules that SST's components import, where SST has unpacked them.
  resolve: { alias: { '@pulumi': `${platform}node_modules/@pulumi`, 'sst-platform': `${platform}src` } },
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
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
