import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { openNumbered, seal } from '../../src/format/ciphertext.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { varintLength } from '../../src/format/varint.ts';
import { MOST_SHORT_BYTES, openShort, ShortGcm } from '../../src/postgres/short-gcm.ts';

/** `RUNS=20000`: more rows than an ordinary run compares. */
const RUNS = Number(process.env['RUNS'] ?? 200);

const key = KeyMaterial.fromBytes(randomBytes(32));
const other = KeyMaterial.fromBytes(randomBytes(32));
const TWO = toKeyNumber(2);
const CONTEXT = 'patients:7:notes';

const sealed = (plaintext: Uint8Array, number = TWO, context = CONTEXT) =>
  seal(plaintext, key, number, context, randomBytes(12));

const openedHere = (row: Uint8Array, number = TWO, context = CONTEXT) =>
  ShortGcm.of(key).open({
    bytes: row,
    start: varintLength(number),
    additional: Buffer.concat([row.subarray(0, varintLength(number)), Buffer.from(context)]),
  });

it('opens a row of every length up to its limit', () => {
  for (let length = 0; length + 29 <= MOST_SHORT_BYTES; length += 1) {
    const plaintext = randomBytes(length);
    expect(openedHere(sealed(plaintext))?.equals(plaintext)).toBe(true);
  }
});

it('opens no row with one bit changed, of whatever it consists', () => {
  const row = sealed(Buffer.from('Patient 7 has diabetes'));
  for (let bit = 0; bit < row.length * 8; bit += 1) {
    const changed = Buffer.from(row);
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(openedHere(changed)).toBeUndefined();
  }
  for (let cut = 0; cut < row.length; cut += 1) expect(openedHere(row.subarray(0, cut))).toBeUndefined();
});

it('gives what node:crypto gives, for any number, context, key and change', () => {
  const number = fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 2 ** 21 })).map(toKeyNumber);
  const context = fc.string({ unit: 'grapheme', maxLength: 200 });
  const changed = fc.option(fc.nat(), { nil: undefined });
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 1100 }),
      fc.tuple(number, number),
      fc.tuple(context, context),
      fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
      changed,
      (plaintext, [written, another], [own, wrong], [isOwn, isNumber, isContext], at) => {
        const row = sealed(plaintext, written, own);
        if (at !== undefined) row.writeUInt8(row.readUInt8(at % row.length) ^ (1 << (at & 7)), at % row.length);
        const asked = [isOwn ? key : other, isNumber ? written : another, isContext ? own : wrong] as const;
        expect(openShort(row, ...asked)).toEqual(openNumbered(row, ...asked));
        if (isOwn && isNumber && isContext && at === undefined && row.length <= MOST_SHORT_BYTES)
          expect(openedHere(row, written, own)?.equals(plaintext)).toBe(true);
      },
    ),
    { numRuns: RUNS },
  );
});

it('ends a count where node:crypto gives another plaintext', () => {
  const mine = KeyMaterial.fromBytes(randomBytes(32));
  const row = seal(Buffer.from('right'), mine, TWO, CONTEXT, randomBytes(12));
  const gcm = ShortGcm.of(mine);
  jest.spyOn(gcm, 'open').mockReturnValue(Buffer.from('wrong'));
  const opened = jest.spyOn(gcm, 'opened', 'get');
  expect(openShort(row, mine, TWO, CONTEXT)?.toString()).toBe('wrong');
  for (const rows of [1, 1025]) {
    opened.mockReturnValue(rows);
    expect(() => openShort(row, mine, TWO, CONTEXT)).toThrow('another plaintext in node:crypto');
  }
});

it('compares the first row that it opens under a key', () => {
  const mine = KeyMaterial.fromBytes(randomBytes(32));
  const row = seal(Buffer.from('right'), mine, TWO, CONTEXT, randomBytes(12));
  const made = jest.spyOn(KeyMaterial.prototype, 'keyObject', 'get');
  const attempts = () => {
    const before = made.mock.calls.length;
    expect(openShort(row, mine, TWO, CONTEXT)?.toString()).toBe('right');
    return made.mock.calls.length - before;
  };
  // For its own use of AES, and for that of node:crypto.
  expect(attempts()).toBe(2);
  expect(attempts()).toBe(0);
  made.mockRestore();
});
