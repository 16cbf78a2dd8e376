import { randomBytes } from 'node:crypto';
import { KeyMaterial } from '../src/format/key-material.ts';
import { ringLabels } from '../src/format/ring-labels.ts';
import { KnownKeys } from '../src/postgres/known-keys.ts';
import { nestedKeys } from '../src/postgres/nested/nested-ciphertext.ts';
import { everyAttempt } from '../test/postgres/support/every-attempt.ts';

const CONTEXT = ['patients:7:notes'];

/** Texts to look through, with three keys on the ring. */
export function works() {
  const keys = new KnownKeys({
    ring: ringLabels({ a: ['key-v1'], b: ['key-v2', 'AWSPREVIOUS'], c: ['key-v3', 'AWSCURRENT'] }),
    isReplica: false,
    unread: new Map(),
    byVersion: new Map(['a', 'b', 'c'].map((id) => [id, KeyMaterial.fromBytes(randomBytes(32))])),
  });
  const texts = [
    ['letters', () => 'x'.repeat(64)],
    ['a hash', () => randomBytes(32).toString('hex')],
    ['a token', () => randomBytes(48).toString('base64url')],
    ['letters', () => 'abcdefghij'.repeat(100)],
    ['base64', () => randomBytes(750).toString('base64')],
    ['letters', () => 'x'.repeat(100_000)],
    ['base64', () => randomBytes(75_000).toString('base64')],
  ] as const;
  return texts.map(([name, make]) => {
    const { length } = make();
    // A few random texts take longer, such as one that begins like JSON.
    const some = Array.from({ length: Math.min(1000, Math.ceil(300_000 / length)) }, () => Buffer.from(make()));
    const words = Buffer.from('a sentence of words, '.repeat(Math.ceil(length / 21)).slice(0, length));
    let turn = 0;
    const next = () => some[(turn += 1) % some.length] ?? words;
    return {
      name,
      length,
      search: () => nestedKeys(next(), CONTEXT, keys).size,
      everyAttempt: () => everyAttempt(next(), CONTEXT, keys).size,
      words: () => nestedKeys(words, CONTEXT, keys).size,
    };
  });
}
