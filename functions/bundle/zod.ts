import { readFileSync } from 'node:fs';
import type { Plugin } from 'esbuild';

/** The one file of others that holds on to all of zod, which takes ZodType out of it and nothing else. */
const holder = '@hono/zod-openapi/dist/index.mjs';

/**
 * Lets esbuild leave out what is not used of zod, its messages in fifty languages above all: as `import { z } from 'zod'` it is one
 * object, of which nothing can be told apart; as `import * as z` it is exports like any others.
 */
const zod: Plugin = {
  name: 'zod',
  setup(build) {
    // Any path, and looked at here: SST's own bridge to plugins does not know the path when it compares it with the filter.
    build.onLoad({ filter: /.*/ }, ({ path }) => {
      const ours = path.endsWith('.ts');
      if (!ours && !path.endsWith(holder)) return undefined;
      const text = readFileSync(path, 'utf8')
        .replace(/^import (type )?\{ z \} from (['"])zod\2/m, "import $1* as z from 'zod'")
        .replace('extendZodWithOpenApi(z);', 'extendZodWithOpenApi({ ZodType: z.ZodType });');
      return { contents: text, loader: ours ? 'ts' : 'js' };
    });
  },
};

// As SST's `nodejs.plugins` wants them.
export default [zod];
