import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isUtf8 } from 'node:buffer';
import { join } from 'node:path';
import { seal } from '../../src/format/ciphertext.ts';
import { decryptBytes } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import type { KeyNumber } from '../../src/format/key-number.ts';
import { readVarint, varintLength } from '../../src/format/varint.ts';
import { errorOf } from '../format/support/error-of.ts';

const FOLDER = join(__dirname, '../../vectors/wycheproof');
const FILE = readFileSync(join(FOLDER, 'aes_gcm_test.json'));

interface Case {
  readonly tcId: number;
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
  readonly result: 'valid' | 'invalid';
}

const { testGroups } = JSON.parse(FILE.toString('utf8')) as {
  readonly testGroups: readonly { readonly tests: readonly Case[] }[];
};
const CASES = testGroups.flatMap(({ tests }) => tests);

/** A case as a row: older data where it has no additional data, else a number and a context. */
interface Spelled {
  readonly row: Buffer;
  readonly number: KeyNumber | 0 | undefined;
  readonly context: string;
}

/** The case in our format, or why the format cannot spell it. */
function spelled({ key, iv, aad, ct, tag }: Case): Spelled | string {
  const box = Buffer.from(iv + ct + tag, 'hex');
  if (key.length !== 64) return `a key of ${key.length * 4} bits`;
  if (iv.length !== 24) return 'a nonce of another length than 12 bytes';
  if (aad === '') return { row: box, number: undefined, context: '' };
  const data = Buffer.from(aad, 'hex');
  const number = readVarint(data);
  const context = number === undefined ? undefined : data.subarray(varintLength(number));
  if (number === undefined || context === undefined || !isUtf8(context)) {
    return 'additional data that is not a number and a context';
  }
  return { row: Buffer.concat([data.subarray(0, varintLength(number)), box]), number, context: context.toString() };
}

test('the file is the one of its page', () => {
  const sum = createHash('sha256').update(FILE).digest('hex');
  expect(readFileSync(join(FOLDER, 'README.md'), 'utf8')).toContain(sum);
});

test('the cases that the format can spell, and the others, are these many', () => {
  const counts = new Map<string, number>();
  for (const one of CASES) {
    const kind = spelled(one);
    const name =
      typeof kind === 'string' ? kind : `${one.result}, ${kind.number === undefined ? 'older data' : 'numbered'}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  expect(Object.fromEntries(counts)).toMatchInlineSnapshot(`
   {
     "a key of 128 bits": 108,
     "a key of 192 bits": 103,
     "a nonce of another length than 12 bytes": 39,
     "additional data that is not a number and a context": 18,
     "invalid, older data": 27,
     "valid, older data": 21,
   }
  `);
});

describe('Wycheproof', () => {
  const rows = CASES.flatMap((one) => {
    const row = spelled(one);
    return typeof row === 'string' ? [] : [{ ...one, ...row }];
  });

  test.each(rows)('case $tcId: $result', ({ key, row, context, msg, result, number, iv }) => {
    const bytes = Buffer.from(key, 'hex');
    if (result === 'valid') {
      expect(decryptBytes(row, bytes, context).toString('hex')).toBe(msg);
      if (number === undefined) return;
      const sealed = seal(Buffer.from(msg, 'hex'), KeyMaterial.from(bytes), number, context, Buffer.from(iv, 'hex'));
      expect(sealed.toString('hex')).toBe(row.toString('hex'));
    } else {
      expect(errorOf(() => decryptBytes(row, bytes, context)).code).toBe('DECRYPTION_FAILED');
    }
  });
});
