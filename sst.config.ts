/// <reference path="./.sst/platform/config.d.ts" />

// The whole cloud, described in TypeScript: `npx sst deploy --stage <name>`. The nouns live in infra/, one a file.
export default $config({
  app({ stage }) {
    const lasting = stage === 'production';
    return {
      name: 'loraloom',
      home: 'aws',
      providers: { aws: '7.20.0', 'docker-build': '0.0.14' },
      // What a stage leaves behind when removed: production keeps its bucket and refuses `sst remove`.
      removal: lasting ? 'retain' : 'remove',
      protect: lasting,
    };
  },
  async run() {
    const { createCloud } = await import('./infra/index.ts');
    return createCloud();
  },
});
