import { createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { KEY_BYTES, KeyMaterial } from '../../src/format/key-material.ts';
import type * as keyMaterial from '../../src/format/key-material.ts';
import { errorOf } from './support/error-of.ts';
import { everythingPrinted, spellingsOf } from './support/secret-spellings.ts';

const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

test('a key gives back the bytes that it was made of', () => {
  fc.assert(
    fc.property(key32, (bytes) => {
      expect([...KeyMaterial.fromBytes(bytes).exportBytes()]).toEqual([...bytes]);
    }),
  );
});

test('a key does not follow later changes of the bytes that it was made of, nor of those that it gave', () => {
  const bytes = new Uint8Array(KEY_BYTES).fill(1);
  const key = KeyMaterial.fromBytes(bytes);
  bytes.fill(2);
  key.exportBytes().fill(3);
  expect([...key.exportBytes()]).toEqual(Array<number>(KEY_BYTES).fill(1));
});

test('the key object is a secret key of 256 bits, and the same one each time', () => {
  const key = KeyMaterial.fromBytes(new Uint8Array(KEY_BYTES).fill(7));
  expect(key.keyObject.equals(createSecretKey(Buffer.alloc(KEY_BYTES, 7)))).toBe(true);
  expect(key.keyObject).toBe(key.keyObject);
});

test.each([0, 16, 24, 31, 33, 64])('%i bytes are refused as a key, and nothing is said of AWS', (length) => {
  expect(errorOf(() => KeyMaterial.fromBytes(new Uint8Array(length)))).toMatchObject({
    code: 'INVALID_KEY_VALUE',
    message: `Encryption key must be 32 bytes, got ${length} bytes`,
  });
});

test('comparing two keys makes no copy of them', () => {
  const key = KeyMaterial.fromBytes(new Uint8Array(KEY_BYTES));
  const copies = copiesOf(key);
  expect(key.equals(KeyMaterial.fromBytes(new Uint8Array(KEY_BYTES)))).toBe(true);
  expect(copies).not.toHaveBeenCalled();
  copies.mockRestore();
});

describe('a key in hand', () => {
  test('is taken as it is, or made of its bytes', () => {
    const key = KeyMaterial.fromBytes(new Uint8Array(KEY_BYTES).fill(7));
    expect(KeyMaterial.from(key)).toBe(key);
    expect(KeyMaterial.from(key.exportBytes()).equals(key)).toBe(true);
  });

  test('of another copy of this module is taken, and no copy of its bytes is made', () => {
    jest.isolateModules(() => {
      const other = jest.requireActual<typeof keyMaterial>('../../src/format/key-material.ts');
      const foreign = other.KeyMaterial.fromBytes(new Uint8Array(KEY_BYTES).fill(7));
      expect(foreign).not.toBeInstanceOf(KeyMaterial);
      const copies = copiesOf(foreign);
      const key = KeyMaterial.from(foreign);
      expect(copies).not.toHaveBeenCalled();
      copies.mockRestore();
      expect([...key.exportBytes()]).toEqual(Array<number>(KEY_BYTES).fill(7));
    });
  });

  test.each([
    ['something that only says that it is one', { keyObject: { type: 'secret', symmetricKeySize: KEY_BYTES } }],
    ['a key of another length', { keyObject: createSecretKey(Buffer.alloc(16)) }],
    ['a private key', { keyObject: generateKeyPairSync('ed25519').privateKey }],
  ])('is never %s', (_what, forged) => {
    expect(errorOf(() => KeyMaterial.from(forged as never)).code).toBe('INVALID_KEY_VALUE');
  });
});

test('two keys are equal when their bytes are, and one changed bit anywhere makes them differ', () => {
  fc.assert(
    fc.property(key32, fc.nat(255), (bytes, bit) => {
      const other = Uint8Array.from(bytes);
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const key = KeyMaterial.fromBytes(bytes);
      expect(key.equals(KeyMaterial.fromBytes(bytes))).toBe(true);
      expect(key.equals(KeyMaterial.fromBytes(other))).toBe(false);
    }),
  );
});

test('a key prints as [redacted], however it is printed', () => {
  const key = KeyMaterial.fromBytes(new Uint8Array(KEY_BYTES));
  expect(String(key)).toBe('[redacted]');
  expect(key.toString()).toBe('[redacted]');
  expect([key].join('')).toBe('[redacted]');
  expect(key[Symbol.toPrimitive]()).toBe('[redacted]');
  expect(inspect({ key })).toBe('{ key: [redacted] }');
  expect(JSON.stringify({ key })).toBe('{"key":"[redacted]"}');
});

test('no way to print a key shows it', () => {
  fc.assert(
    fc.property(key32, (bytes) => {
      const printed = everythingPrinted(KeyMaterial.fromBytes(bytes));
      for (const spelling of spellingsOf(bytes)) expect(printed).not.toContain(spelling);
    }),
  );
});

/** Watches how often bytes are copied out of any key of node:crypto. */
function copiesOf({ keyObject }: KeyMaterial): jest.SpyInstance {
  return jest.spyOn(Object.getPrototypeOf(keyObject) as KeyObject, 'export');
}
