import { randomBytes } from 'node:crypto';
import { seal } from '../../../../src/format/ciphertext.ts';
import { KeyMaterial } from '../../../../src/format/key-material.ts';
import { toKeyNumber } from '../../../../src/format/key-number.ts';
import { ringLabels } from '../../../../src/format/ring-labels.ts';
import { KnownKeys } from '../../../../src/postgres/known-keys.ts';

/* What is hidden in a value: a ciphertext under one of three keys, in the context of the row or in another. */

const bytesOf = [randomBytes(32), randomBytes(32), randomBytes(32)];
export const keys = new KnownKeys({
  ring: ringLabels({ a: ['key-v1'], b: ['key-v2', 'AWSPREVIOUS'], c: ['key-v3', 'AWSCURRENT'] }),
  isReplica: false,
  unread: new Map(),
  byVersion: new Map(bytesOf.map((bytes, at) => ['abc'.charAt(at), KeyMaterial.fromBytes(bytes)])),
});
export const keyOf = (number: number) => bytesOf[number - 1] ?? Buffer.alloc(0);
export const sealed = (plaintext: Uint8Array, number: number, context: string, header = number) =>
  seal(
    plaintext,
    KeyMaterial.fromBytes(keyOf(number)),
    header === 0 ? 0 : toKeyNumber(header),
    context,
    randomBytes(12),
  );

export const CONTEXT = 'patients:7:notes';

/** As PHP writes it, and with a character that every base64 here has. */
export const slashed = (base64: string) =>
  base64.replaceAll('/', '\\/').replace(/^./, (first) => `\\u00${first.charCodeAt(0).toString(16)}`);
