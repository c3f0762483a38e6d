import { lookup } from 'node:dns/promises';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isPublicAddress } from './address.ts';
import { BlockedAddress, type Post } from './deliver.ts';

/** All addresses of a name. */
type Resolve = (hostname: string) => Promise<string[]>;

const resolveAll: Resolve = async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address);

const localHosts = ['localhost', '127.0.0.1', '[::1]'];

/** Most bytes of an answer that are taken off the wire, so that its connection ends well; nobody looks at them. */
const maxAnswerBytes = 64 * 1024;

/**
 * How a connection finds its address: a name is resolved once, all of its addresses must be allowed, and the connection goes to
 * one of those that were looked at, whatever the name leads to a moment later.
 */
export function pinnedLookup(resolve: Resolve, isAllowed: (address: string) => boolean): LookupFunction {
  const check = async (hostname: string) => {
    const addresses = await resolve(hostname);
    if (!addresses.every(isAllowed)) throw new BlockedAddress(`${hostname} is not on the public internet`);
    return addresses.map((address) => ({ address, family: isIP(address) }));
  };
  return (hostname, options, done) => {
    check(hostname).then(
      (found) => {
        const [first] = found;
        if (!first) done(new Error(`${hostname} has no address`), '', 0);
        else if (options.all) done(null, found);
        else done(null, first.address, first.family);
      },
      (error: NodeJS.ErrnoException) => done(error, '', 0),
    );
  };
}

/**
 * Posts to the public internet and nowhere else, see pinnedLookup. Redirects are not followed.
 * @param options.allowLocal also http, and to this machine: for development
 */
export function nodePost({
  allowLocal = false,
  timeoutMs = 10_000,
  resolve = resolveAll,
}: {
  allowLocal?: boolean;
  timeoutMs?: number;
  resolve?: Resolve;
} = {}): Post {
  return async (target, headers, body) => {
    const url = new URL(target);
    const local = allowLocal && localHosts.includes(url.hostname);
    if (url.protocol !== 'https:' && !(local && url.protocol === 'http:')) throw new BlockedAddress('want https://');
    const literal = url.hostname.replaceAll(/^\[|\]$/g, '');
    // Node resolves no literals, so that these would pass unseen.
    if (isIP(literal) !== 0 && !local && !isPublicAddress(literal)) {
      throw new BlockedAddress(`${literal} is not on the public internet`);
    }
    const isAllowed = local ? () => true : isPublicAddress;
    const bytes = Buffer.from(body);
    return new Promise((done, failed) => {
      const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
        method: 'POST',
        headers: { ...headers, 'content-length': bytes.length },
        lookup: pinnedLookup(resolve, isAllowed),
        // A connection of its own: a kept one might be to an address of yesterday.
        agent: false,
        signal: AbortSignal.timeout(timeoutMs),
      });
      request.on('error', failed);
      request.on('response', (answer) => {
        let read = 0;
        answer.on('data', (chunk: Buffer) => {
          read += chunk.length;
          if (read > maxAnswerBytes) answer.destroy();
        });
        answer.on('error', () => undefined);
        done({ status: answer.statusCode ?? 0 });
      });
      request.end(bytes);
    });
  };
}
