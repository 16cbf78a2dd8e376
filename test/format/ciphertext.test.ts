import { createDecipheriv } from 'node:crypto';
import fc from 'fast-check';
import {
  notBytes,
  openLegacy,
  openNumbered,
  requireCiphertext,
  seal,
  withoutStacks,
} from '../../src/format/ciphertext.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { MAX_KEY_NUMBER, toKeyNumber, type KeyNumber } from '../../src/format/key-number.ts';
import { randomNonce } from '../../src/format/nonce.ts';
import { readVarint } from '../../src/format/varint.ts';
import { errorOf } from './support/error-of.ts';
import { oldBox } from './support/old-application.ts';

const KEY_BYTES = Buffer.alloc(32, 7);
const KEY = KeyMaterial.fromBytes(KEY_BYTES);
const OTHER_KEY = KeyMaterial.fromBytes(Buffer.alloc(32, 8));
const NOTE = Buffer.from('Patient has diabetes');
const CONTEXT = 'patients:7:note';

const anyContext = fc.string({ unit: 'binary' });
const anyNumber = fc.oneof(
  fc.constantFrom(0, 1, 5, 127, 128, 255, 256, 16_383, 16_384, MAX_KEY_NUMBER),
  fc.nat(MAX_KEY_NUMBER),
);

test('any bytes under any number and in any context are read back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), anyNumber, anyContext, (plaintext, value, context) => {
      const number = numbered(value);
      const sealed = seal(plaintext, KEY, number, context, randomNonce());
      expect(readVarint(sealed)).toBe(value);
      expect(openNumbered(sealed, KEY, number, context)).toEqual(Buffer.from(plaintext));
    }),
  );
});

test('the number and the context of each row are its own, whatever the row before it had', () => {
  const contexts = [
    '',
    'a',
    'b',
    'é',
    '\u0000',
    'x'.repeat(126),
    'x'.repeat(127),
    'x'.repeat(128),
    `${'x'.repeat(90)}é`,
  ];
  const rows = [0, 1, 127, 128, 16_384].flatMap((value) =>
    contexts.map((context) => {
      const number = numbered(value);
      return { number, context, sealed: seal(NOTE, KEY, number, context, randomNonce()) };
    }),
  );
  const opened = (sealed: Buffer, number: KeyNumber | 0, context: string) =>
    openNumbered(sealed, KEY, number, context) !== undefined;
  for (const { sealed, number, context } of rows) {
    expect(rows.map((other) => opened(sealed, number, other.context))).toEqual(
      rows.map((other) => other.context === context),
    );
    expect(opened(sealed, number, context)).toBe(true);
  }
});

test('every length from 0 to 300 bytes is read back, and so is a megabyte', () => {
  for (const length of [...Array(301).keys(), 1 << 20]) {
    const plaintext = Buffer.alloc(length, length);
    const sealed = seal(plaintext, KEY, toKeyNumber(3), '', randomNonce());
    expect(sealed.length).toBe(length + 29);
    expect(openNumbered(sealed, KEY, toKeyNumber(3), '')?.equals(plaintext)).toBe(true);
  }
});

// C29
test.each([
  [0, 1],
  [1, 1],
  [5, 1],
  [127, 1],
  [128, 2],
  [255, 2],
  [256, 2],
  [16_383, 2],
  [16_384, 3],
  [MAX_KEY_NUMBER, 5],
])('number %i takes a header of %i bytes', (value, headerLength) => {
  expect(seal(NOTE, KEY, numbered(value), CONTEXT, randomNonce()).length).toBe(headerLength + 12 + 20 + 16);
});

test('the layout is number, nonce, ciphertext, tag, with number and context as additional data', () => {
  const nonce = Buffer.from('000102030405060708090a0b', 'hex');
  const sealed = seal(NOTE, KEY, toKeyNumber(300), 'Zoë', nonce);
  expect(sealed.subarray(0, 2).toString('hex')).toBe('ac02');
  expect(sealed.subarray(2, 14)).toEqual(nonce);
  const decipher = createDecipheriv('aes-256-gcm', KEY_BYTES, nonce);
  decipher.setAAD(Buffer.concat([Buffer.from('ac02', 'hex'), Buffer.from('Zoë')]));
  decipher.setAuthTag(sealed.subarray(-16));
  expect(Buffer.concat([decipher.update(sealed.subarray(14, -16)), decipher.final()])).toEqual(NOTE);
});

test('no flipped bit anywhere is accepted, under any number', () => {
  for (const value of [0, 1, 128, MAX_KEY_NUMBER]) {
    const sealed = seal(NOTE, KEY, numbered(value), CONTEXT, randomNonce());
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const flipped = withFlippedBit(sealed, bit);
      const number = readVarint(flipped);
      if (number !== undefined) expect(openNumbered(flipped, KEY, number, CONTEXT)).toBeUndefined();
      expect(openLegacy([flipped], KEY)).toBeUndefined();
    }
  }
});

test('a ciphertext opens under no other key, number or context', () => {
  const sealed = seal(NOTE, KEY, toKeyNumber(1), CONTEXT, randomNonce());
  expect(openNumbered(sealed, KEY, toKeyNumber(1), CONTEXT)).toEqual(NOTE);
  expect(openNumbered(sealed, OTHER_KEY, toKeyNumber(1), CONTEXT)).toBeUndefined();
  expect(openNumbered(sealed, KEY, toKeyNumber(2), CONTEXT)).toBeUndefined();
  expect(openNumbered(sealed, KEY, toKeyNumber(1), 'patients:8:note')).toBeUndefined();
  expect(openNumbered(sealed, KEY, toKeyNumber(1), '')).toBeUndefined();
});

test('number and context cannot be traded for one another', () => {
  const sealed = seal(NOTE, KEY, toKeyNumber(1), '\u0002x', randomNonce());
  expect(openNumbered(sealed, KEY, toKeyNumber(1), 'x')).toBeUndefined();
});

// C28: Node takes a tag of 4 bytes where no length is set.
test.each([1, 4, 8, 12, 16])('a ciphertext whose last %i bytes were cut off does not open', (cut) => {
  const sealed = seal(NOTE, KEY, toKeyNumber(1), CONTEXT, randomNonce());
  expect(openNumbered(sealed.subarray(0, -cut), KEY, toKeyNumber(1), CONTEXT)).toBeUndefined();
  expect(openLegacy([oldBox(NOTE, { key: KEY_BYTES }).subarray(0, -cut)], KEY)).toBeUndefined();
});

test('bytes with no room for a nonce and a tag do not open', () => {
  for (let length = 0; length <= 28; length += 1) {
    expect(openNumbered(Buffer.alloc(length), KEY, 0, '')).toBeUndefined();
    expect(openLegacy([Buffer.alloc(length)], KEY)).toBeUndefined();
  }
});

test('fewer than 28 bytes are refused as too short, and 28 are not', () => {
  for (let length = 0; length < 28; length += 1) {
    const error = errorOf(() => {
      requireCiphertext(Buffer.alloc(length));
    });
    expect(error.code).toBe('INVALID_CIPHERTEXT');
    expect(error.message).toMatch(`too short: expected at least 28 bytes, got ${length}`);
    expect(error.message).toContain('It was cut off, or was never a ciphertext');
  }
  requireCiphertext(Buffer.alloc(28));
});

test('of several boxes the one that opens is read, and of none nothing', () => {
  const boxes = [oldBox('other', { key: Buffer.alloc(32, 8) }), oldBox(NOTE, { key: KEY_BYTES })];
  expect(openLegacy(boxes, KEY)).toEqual(NOTE);
  expect(openLegacy([], KEY)).toBeUndefined();
});

test.each([0, 11, 13, 16])('a nonce of %i bytes is refused', (length) => {
  const refused = new RangeError(`A nonce has 12 bytes, got ${length}.`);
  expect(() => seal(NOTE, KEY, 0, '', new Uint8Array(length))).toThrow(refused);
});

test('a context that is no well-formed Unicode is refused when sealing and when opening', () => {
  const sealed = seal(NOTE, KEY, 0, '\uFFFD', randomNonce());
  expect(errorOf(() => seal(NOTE, KEY, 0, '\uD83D', randomNonce())).code).toBe('INVALID_TEXT');
  expect(errorOf(() => openNumbered(sealed, KEY, 0, '\uD83D')).code).toBe('INVALID_TEXT');
});

test('a view into a larger buffer is read within its bounds', () => {
  const sealed = seal(NOTE, KEY, toKeyNumber(1), CONTEXT, randomNonce());
  const larger = new Uint8Array(Buffer.concat([Buffer.from('before'), sealed, Buffer.from('after')]));
  const view = larger.subarray(6, 6 + sealed.length);
  expect(openNumbered(view, KEY, toKeyNumber(1), CONTEXT)).toEqual(NOTE);
});

test('what is no ciphertext is named, with what to do about it', () => {
  expect(notBytes('AQID').message).toBe(
    'A ciphertext is bytes (Uint8Array or Buffer), got a string. A text column holds base64: rowFromText decodes it first.',
  );
  expect(notBytes(null).message).toBe(
    'A ciphertext is bytes (Uint8Array or Buffer), got null. ' +
      'Leave NULL values out, and check what the database driver returns for the column.',
  );
});

describe('attempts without stacks', () => {
  const framesOf = (error: Error) => error.stack?.split('\n').filter((line) => line.startsWith('    at ')).length;

  test('collect none, and errors have theirs again afterwards', () => {
    expect(withoutStacks(() => framesOf(new Error('no match')))).toBe(0);
    expect(framesOf(new Error('no match'))).toBeGreaterThan(0);
  });

  test('leave stacks as they were, even where an attempt throws', () => {
    expect(() =>
      withoutStacks(() => {
        throw new Error('no match');
      }),
    ).toThrow('no match');
    expect(framesOf(new Error('no match'))).toBeGreaterThan(0);
  });

  test('are made where a hardened program has frozen Error, too', () => {
    const before = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit') ?? {};
    Object.defineProperty(Error, 'stackTraceLimit', { ...before, writable: false });
    try {
      expect(withoutStacks(() => 'opened')).toBe('opened');
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', before);
    }
  });
});

function numbered(value: number): KeyNumber | 0 {
  return value === 0 ? 0 : toKeyNumber(value);
}

function withFlippedBit(bytes: Uint8Array, bit: number): Buffer {
  const flipped = Buffer.from(bytes);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}
