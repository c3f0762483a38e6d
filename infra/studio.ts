import type { Stage } from './stage.ts';

/** The web page, in a bucket of its own behind CloudFront, built to call the API at `apiUrl`. */
export function createStudio({ domains }: Stage, apiUrl: $util.Output<string>) {
  return new sst.aws.StaticSite('Studio', {
    path: 'packages/studio',
    // Not `dist`, which `npm start` serves and where the page takes its own origin for the API's.
    build: { command: 'npm run build -- --outDir ../../.sst/studio --emptyOutDir', output: '../../.sst/studio' },
    environment: { VITE_API_URL: apiUrl },
    vite: { types: '../../.sst/studio-env.d.ts' },
    assets: {
      // Vite names what is in assets/ by its content; nothing else may be kept by a browser.
      fileOptions: [
        { files: '**', cacheControl: 'no-cache' },
        { files: 'assets/**', cacheControl: 'max-age=31536000,public,immutable' },
      ],
    },
    ...(domains ? { domain: domains.studio } : {}),
  });
}
