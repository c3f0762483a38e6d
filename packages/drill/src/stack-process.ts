import { startStack } from '@loraloom/local';
import { tiny } from './tiny.ts';

/*
 * Everything that `npm start` starts but the pages, as a process that can be killed: the API and the embedded S3 and SQS in it, the
 * worker as its child.
 */

const [folder = '', port = ''] = process.argv.slice(2);
const stack = await startStack({ folder, port: Number(port), models: [tiny], visibilitySeconds: 3 });
const tell = () => process.send?.({ url: stack.url, apiKey: stack.apiKey, worker: stack.worker.pid() });
process.on('message', (message) => {
  if (message === 'worker') tell();
  else if (message === 'memory') process.send?.(process.memoryUsage.rss());
  else stack.close().then(() => process.exit(0));
});
tell();
