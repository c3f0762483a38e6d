import { z } from 'zod';

/** Crockford's base 32, lower case: no i, l, o, u. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const lastMoment = 2 ** 48 - 1;

export const idPrefixes = {
  training: 'trn',
  image: 'img',
  file: 'file',
  lora: 'lora',
  batch: 'batch',
  delivery: 'whd',
  key: 'key',
  token: 'tok',
  audit: 'aud',
} as const;
export type IdKind = keyof typeof idPrefixes;

function idSchema(kind: IdKind) {
  const prefix = idPrefixes[kind];
  return z
    .string()
    .regex(new RegExp(`^${prefix}_[0-7][0-9a-hjkmnp-tv-z]{25}$`), `want ${prefix}_ followed by 26 characters`)
    .meta({ description: `Id of a ${kind}; sorts newest first`, example: `${prefix}_7yt09zhw3gq8m5tr1vkd2xcfaj` });
}

export const trainingIdSchema = idSchema('training');
export const imageIdSchema = idSchema('image');
export const fileIdSchema = idSchema('file');
export const loraIdSchema = idSchema('lora');
export const keyIdSchema = idSchema('key');
export const tokenIdSchema = idSchema('token');
export const auditIdSchema = idSchema('audit');
export const batchIdSchema = idSchema('batch');
export const deliveryIdSchema = idSchema('delivery');

/**
 * A new id: the kind's prefix, 48 bits of time, 80 random bits.
 *
 * The time counts *down* (2^48 − 1 − milliseconds since 1970). S3 lists keys in ascending order only, and the list that
 * people ask for is "my newest twenty": with the time inverted that is the first page of an ordinary listing, with no
 * index object to keep in step and no walk through years of history.
 */
export function newId(kind: IdKind, now: number = Date.now()): string {
  return idOf(kind, now, crypto.getRandomValues(new Uint8Array(16)));
}

/** An id that follows from what it is made for: whoever makes it, and however often, it is the same one. */
export async function derivedId(kind: IdKind, now: number, from: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(from));
  return idOf(kind, now, new Uint8Array(digest, 0, 16));
}

function idOf(kind: IdKind, now: number, random: Uint8Array): string {
  let time = lastMoment - now;
  let text = '';
  for (let i = 0; i < 10; i++) {
    text = alphabet.charAt(time % 32) + text;
    time = Math.floor(time / 32);
  }
  // 16 characters of 5 bits; 256 is a multiple of 32, so the remainder is uniform.
  for (const byte of random) text += alphabet.charAt(byte % 32);
  return `${idPrefixes[kind]}_${text}`;
}

/** When an id was made, in milliseconds since 1970. */
export function idTime(id: string): number {
  let time = 0;
  for (const character of id.slice(id.indexOf('_') + 1).slice(0, 10)) time = time * 32 + alphabet.indexOf(character);
  return lastMoment - time;
}

/** A seed in 0…2^32−1 that belongs to an id: the same job asked for twice under one id is the same job. */
export function idSeed(id: string): number {
  let seed = 0;
  for (const character of id.slice(-7)) seed = (seed * 32 + alphabet.indexOf(character)) % 2 ** 32;
  return seed;
}
