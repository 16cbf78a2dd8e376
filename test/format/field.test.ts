import { constants } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { seal } from '../../src/format/ciphertext.ts';
import { cellOf } from '../../src/columns/encrypted-column.ts';
import { decryptBytes, decryptField, encryptField, textOf } from '../../src/format/field.ts';
import { encryptField as encryptPooled } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { MAX_KEY_NUMBER, toKeyNumber } from '../../src/format/key-number.ts';
import { randomNonce } from '../../src/format/nonce.ts';
import { readVarint } from '../../src/format/varint.ts';
import { errorOf } from './support/error-of.ts';
import { OLD_FORMS } from './support/old-application.ts';
import { everythingPrinted, spellingsOf } from './support/secret-spellings.ts';

const KEY_BYTES = Buffer.from('rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY=', 'base64');
const KEY = KeyMaterial.fromBytes(KEY_BYTES);
const OTHER_KEY = KeyMaterial.fromBytes(Buffer.alloc(32, 8));
const NOTE = 'Patient has diabetes';
const CONTEXT = 'patients:7:note';

const anyText = fc.string({ unit: 'binary' });

test("the guide's sentence makes 49 bytes under the guide's key and is read back", () => {
  const ciphertext = encryptField(NOTE, KEY_BYTES);
  expect(ciphertext).toHaveLength(49);
  expect(ciphertext[0]).toBe(0);
  expect(decryptField(ciphertext, KEY_BYTES)).toBe(NOTE);
});

test('any text in any context is read back, by key bytes and by key material', () => {
  fc.assert(
    fc.property(anyText, anyText, (text, context) => {
      expect(decryptField(encryptField(text, KEY, context), KEY_BYTES, context)).toBe(text);
      expect(decryptField(encryptField(text, KEY_BYTES, context), KEY, context)).toBe(text);
    }),
  );
});

test('a byte order mark, a null character and an empty text survive', () => {
  for (const text of ['', '\0', '\uFEFFtext', 'te\uFEFFxt']) {
    expect(decryptField(encryptField(text, KEY), KEY)).toBe(text);
    expect(decryptBytes(encryptField(text, KEY), KEY)).toEqual(Buffer.from(text));
  }
});

test('a text that holds the replacement character is a text like any other', () => {
  expect(decryptField(encryptField('caf\uFFFD', KEY), KEY)).toBe('caf\uFFFD');
});

test.each([1, 127, 128, MAX_KEY_NUMBER])('a text encrypted under number %i carries it and is read back', (value) => {
  const ciphertext = encryptField(NOTE, KEY, CONTEXT, { number: toKeyNumber(value) });
  expect(readVarint(ciphertext)).toBe(value);
  expect(decryptField(ciphertext, KEY, CONTEXT)).toBe(NOTE);
});

test('the same text twice makes two ciphertexts', () => {
  expect(encryptField(NOTE, KEY)).not.toEqual(encryptField(NOTE, KEY));
});

test('a nonce source given takes the place of the random one', () => {
  const nonce = new Uint8Array(12).fill(9);
  const ciphertext = encryptField(NOTE, KEY, '', { nonces: () => nonce });
  expect(ciphertext.subarray(1, 13)).toEqual(Buffer.from(nonce));
});

test('a ciphertext moved to another row does not open (C30)', () => {
  const ciphertext = encryptField(NOTE, KEY, CONTEXT);
  for (const context of ['patients:8:note', 'patients:7:note ', '']) {
    expect(errorOf(() => decryptField(ciphertext, KEY, context)).code).toBe('DECRYPTION_FAILED');
  }
});

test('no flipped bit anywhere is accepted, whether legacy data is read or not', () => {
  const ciphertext = encryptField(NOTE, KEY, CONTEXT, { number: toKeyNumber(200) });
  for (let bit = 0; bit < ciphertext.length * 8; bit += 1) {
    const flipped = Buffer.from(ciphertext);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    for (const legacy of [true, false]) {
      expect(errorOf(() => decryptField(flipped, KEY, CONTEXT, { legacy })).code).toBe('DECRYPTION_FAILED');
    }
  }
});

// C28
test.each([1, 4, 8, 12])('a ciphertext whose last %i bytes were cut off does not open', (cut) => {
  const ciphertext = encryptField(NOTE, KEY);
  expect(errorOf(() => decryptField(ciphertext.subarray(0, -cut), KEY)).code).toBe('DECRYPTION_FAILED');
});

test('fewer than 28 bytes are refused as too short', () => {
  for (let length = 0; length < 28; length += 1) {
    const error = errorOf(() => decryptField(randomBytes(length), KEY));
    expect(error.code).toBe('INVALID_CIPHERTEXT');
    expect(error.message).toContain('too short');
  }
});

describe.each(Object.entries(OLD_FORMS))('data of the old application stored as %s', (_, write) => {
  test('is read, in whatever context, unless that is switched off', () => {
    const row = write(NOTE, { key: KEY_BYTES });
    expect(decryptField(row, KEY)).toBe(NOTE);
    expect(decryptField(row, KEY, CONTEXT)).toBe(NOTE);
    expect(errorOf(() => decryptField(row, KEY, '', { legacy: false })).code).toBe('DECRYPTION_FAILED');
  });

  test('is read as an empty text too', () => {
    expect(decryptField(write('', { key: KEY_BYTES }), KEY)).toBe('');
  });
});

test('old data is read with whatever byte its nonce begins, key numbers of our own included', () => {
  for (let first = 0; first < 256; first += 1) {
    const nonce = Buffer.alloc(12, 1).fill(first, 0, 1);
    const row = OLD_FORMS['nonce, ciphertext, tag'](NOTE, { key: KEY_BYTES, nonce });
    expect(decryptField(row, KEY)).toBe(NOTE);
  }
});

test('a row of ours that begins like old data is read', () => {
  for (const [value, start] of [
    [0x76, '1:'],
    [0x7b, '}'],
  ] as const) {
    const nonce = randomBytes(12);
    nonce.write(start);
    const ciphertext = encryptField(NOTE, KEY, CONTEXT, { number: toKeyNumber(value), nonces: () => nonce });
    expect(decryptField(ciphertext, KEY, CONTEXT)).toBe(NOTE);
  }
});

test.each([
  [0, 'number 0 (its writer did not know the number of its key)'],
  [7, 'key number 7'],
  [1234, 'key number 1234'],
])('a failed decryption of number %i says "%s", names the key ring and has no cause', (value, words) => {
  const options = value === 0 ? {} : { number: toKeyNumber(value) };
  const error = errorOf(() => decryptField(encryptField(NOTE, OTHER_KEY, CONTEXT, options), KEY, CONTEXT));
  expect(error.code).toBe('DECRYPTION_FAILED');
  expect(error.message).toContain(words);
  expect(error.message).toContain('key ring');
  expect(error.message).toContain('restart it');
  expect(error.cause).toBeUndefined();
});

test('a failed decryption of bytes without a number says so', () => {
  const error = errorOf(() => decryptField(Buffer.alloc(40, 0xff), KEY));
  expect(error.message).toContain('has no key number');
});

test('a failed decryption shows neither key, nor text, nor context, nor ciphertext', () => {
  const ciphertext = encryptField(NOTE, OTHER_KEY, CONTEXT);
  const printed = everythingPrinted(errorOf(() => decryptField(ciphertext, KEY_BYTES, 'patients:8:secret')));
  for (const secret of [KEY_BYTES, ciphertext].flatMap(spellingsOf)) expect(printed).not.toContain(secret);
  expect(printed).not.toContain(NOTE);
  expect(printed).not.toContain('patients');
});

test.each([
  ['text', () => encryptField('a\uD83D', KEY)],
  ['context', () => encryptField(NOTE, KEY, '\uD83D')],
  ['context', () => decryptField(encryptField(NOTE, KEY), KEY, '\uDE00')],
  ['context', () => decryptField(OLD_FORMS['a JSON object'](NOTE, { key: KEY_BYTES }), KEY, '\uDE00')],
])('half of a surrogate pair is refused, and the error says that it is in the %s', (what, act) => {
  const error = errorOf(act);
  expect(error.code).toBe('INVALID_TEXT');
  expect(error.message).toContain(`The ${what} must be`);
});

test('bytes that are no UTF-8 are read by decryptBytes, and refused by decryptField without showing them', () => {
  const bytes = Buffer.from('secret\xff', 'latin1');
  const row = seal(bytes, KEY, 0, CONTEXT, randomNonce());
  expect(decryptBytes(row, KEY, CONTEXT)).toEqual(bytes);
  const error = errorOf(() => decryptField(row, KEY, CONTEXT));
  expect(error.code).toBe('INVALID_TEXT');
  expect(error.message).toContain('Read it with decryptBytes');
  expect(error.cause).toBeUndefined();
  expect(inspect(error)).not.toContain('secret\uFFFD');
});

/** What a caller in JavaScript may hand over, whatever the types say. */
function untyped(value: unknown): never {
  return value as never;
}

const NO_BYTES = [
  ['null', null],
  ['undefined', undefined],
  ['a number', 4111_1111],
  ['a string', 'diabetes'.repeat(4)],
  ['an array', [68, 105]],
  ['an object', { diabetes: true }],
  ['an object', new Uint16Array(32)],
  ['an object', new ArrayBuffer(32)],
  ['a symbol', Symbol('diabetes')],
  ['a function', () => 'diabetes'],
] as const;

test.each(NO_BYTES)('%s is no ciphertext, and the error names no more than that', (name, value) => {
  const error = errorOf(() => decryptField(untyped(value), KEY));
  expect(error.code).toBe('INVALID_CIPHERTEXT');
  expect(error.message).toContain(`got ${name}.`);
  expect(everythingPrinted(error)).not.toMatch(/diabetes|4111/);
});

test('a string in place of a ciphertext is told to be decoded first', () => {
  const error = errorOf(() => decryptBytes(untyped(encryptField(NOTE, KEY).toString('base64')), KEY));
  expect(error.message).toContain('base64');
});

test.each(NO_BYTES.filter(([name]) => name !== 'a string'))('%s is not encrypted, and not shown', (name, value) => {
  const error = errorOf(() => encryptField(untyped(value), KEY));
  expect(error.code).toBe('INVALID_TEXT');
  expect(error.message).toContain(`got ${name}.`);
  expect(everythingPrinted(error)).not.toMatch(/diabetes|4111/);
});

test.each(NO_BYTES.filter(([name]) => name !== 'a string' && name !== 'undefined'))(
  '%s is no context',
  (name, value) => {
    const row = encryptField(NOTE, KEY);
    for (const act of [
      () => encryptField(NOTE, KEY, untyped(value)),
      () => decryptField(row, KEY, untyped(value)),
      () => decryptField(OLD_FORMS['nonce, ciphertext, tag'](NOTE, { key: KEY_BYTES }), KEY, untyped(value)),
    ]) {
      const error = errorOf(act);
      expect(error.code).toBe('INVALID_TEXT');
      expect(error.message).toBe(`The context must be a string, got ${name}.`);
    }
  },
);

test('what is too long for a string is refused before it is made one', () => {
  const plaintext = Buffer.alloc(constants.MAX_STRING_LENGTH + 1);
  const row = plaintext.subarray(0, (constants.MAX_STRING_LENGTH / 4) * 3 + 1);
  for (const act of [() => textOf(plaintext), () => cellOf(row, 'text'), () => cellOf(row, 'jsonb')]) {
    const error = errorOf(act);
    expect(error.code).toBe('INVALID_TEXT');
    expect(error.message).toMatch(/more than a string can hold .* Use (decryptBytes|a bytea column)\./);
  }
  expect(cellOf(row, 'bytea')).toBe(row);
});

test.each(NO_BYTES)('%s is no key', (name, value) => {
  for (const act of [
    () => encryptField(NOTE, untyped(value)),
    () => decryptField(encryptField(NOTE, KEY), untyped(value)),
    () => KeyMaterial.fromBytes(untyped(value)),
  ]) {
    const error = errorOf(act);
    expect(error.code).toBe('INVALID_KEY_VALUE');
    expect(error.message).toContain(`got ${name};`);
    expect(everythingPrinted(error)).not.toMatch(/diabetes|4111/);
  }
});

test('bytes of another realm are bytes', () => {
  const elsewhere = untyped(runInNewContext(`new Uint8Array(${JSON.stringify([...encryptField(NOTE, KEY)])})`));
  expect(decryptField(elsewhere, KEY)).toBe(NOTE);
});

test.each([-1, 0.5, NaN, Infinity, MAX_KEY_NUMBER + 1, 2 ** 31, 2 ** 32, 1e10, '7', null, true, {}])(
  'nothing is written under %p, which is no key number: nothing would open it',
  (number) => {
    for (const encrypt of [encryptField, encryptPooled]) {
      expect(errorOf(() => encrypt(NOTE, KEY, '', { number: untyped(number) })).code).toBe('INVALID_KEY_NUMBER');
    }
  },
);

test('a key of another length is refused', () => {
  expect(errorOf(() => encryptField(NOTE, Buffer.alloc(24))).code).toBe('INVALID_KEY_VALUE');
  expect(errorOf(() => decryptField(Buffer.alloc(40), Buffer.alloc(24))).code).toBe('INVALID_KEY_VALUE');
});
