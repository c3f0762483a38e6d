/** A stream of random numbers that is the same on every machine. */
export interface Random {
  /** In 0 ≤ x < 1, of 53 random bits. */
  uniform(): number;
  /** Of mean 0 and variance 1. */
  normal(): number;
  /** In 0 ≤ x < n, each equally likely; n ≤ 2³². */
  integer(n: number): number;
  /** Fills with normal numbers, faster than one by one (and not the same numbers); returns its argument. */
  fillNormal<T extends Float32Array>(into: T): T;
  /** Where the stream stands: `randomAt(state)` goes on from here. */
  state(): string;
}

/**
 * Starts a stream of random numbers. Further keys give streams that have nothing to do with each other,
 * so that, say, `randomFrom(seed, step)` needs no state to be kept.
 * @param keys whole numbers, −2⁵³ < key < 2⁵³
 */
export function randomFrom(...keys: number[]): Random {
  // Each word of the state hashes all keys (MurmurHash3's mixing), beginning differently.
  const words = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x6a09e667].map((start) => {
    let hash = start;
    for (const key of keys) {
      if (!Number.isSafeInteger(key)) throw new RangeError(`seed ${key}: a whole number wanted`);
      hash = mix(mix(hash, key >>> 0), Math.floor(key / 2 ** 32) >>> 0);
    }
    return finish(hash ^ keys.length);
  });
  return streamOf(Uint32Array.from(words));
}

/** Goes on with a stream where `state()` was taken. */
export function randomAt(state: string): Random {
  if (!/^[0-9a-f]{32}$/.test(state)) throw new RangeError('random state: 32 hexadecimal digits wanted');
  return streamOf(Uint32Array.from(state.match(/.{8}/g) ?? [], (word) => Number.parseInt(word, 16)));
}

const rotate = (x: number, bits: number) => (x << bits) | (x >>> (32 - bits));

function mix(hash: number, word: number): number {
  const scrambled = Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
  return (Math.imul(rotate(hash ^ scrambled, 13), 5) + 0xe6546b64) | 0;
}

function finish(hash: number): number {
  let x = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** xoshiro128** (Blackman, Vigna: arXiv 1805.01407), whose state is four words that are not all zero. */
function streamOf([s0 = 0, s1 = 0, s2 = 0, s3 = 0]: Uint32Array): Random {
  if ((s0 | s1 | s2 | s3) === 0) s0 = 1;

  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(s1, 5), 7), 9) >>> 0;
    const t = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= t;
    s3 = rotate(s3, 11);
    return result;
  };
  const uniform = () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
  // Box and Muller make two normal numbers of two uniform ones: radius and angle. The radius of 1 − x is finite.
  const radius = () => Math.sqrt(-2 * Math.log(1 - uniform()));

  return {
    uniform,
    normal: () => radius() * Math.cos(2 * Math.PI * uniform()),
    integer(n) {
      if (!Number.isSafeInteger(n) || n < 1 || n > 2 ** 32) throw new RangeError(`integer(${n}): 1 to 2³² wanted`);
      // The last, incomplete run of n would favour small numbers.
      const limit = 2 ** 32 - (2 ** 32 % n);
      for (;;) {
        const word = next();
        if (word < limit) return word % n;
      }
    },
    fillNormal(into) {
      for (let i = 0; i < into.length; i += 2) {
        const r = radius();
        const angle = 2 * Math.PI * uniform();
        into[i] = r * Math.cos(angle);
        if (i + 1 < into.length) into[i + 1] = r * Math.sin(angle);
      }
      return into;
    },
    state: () => [s0, s1, s2, s3].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join(''),
  };
}
