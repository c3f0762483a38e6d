import { defineConfig } from 'vite';

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { target: 'es2023', modulePreload: { polyfill: false }, reportCompressedSize: false, assetsInlineLimit: 0 },
  logLevel: 'warn',
});
