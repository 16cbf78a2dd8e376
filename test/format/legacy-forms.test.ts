import { randomBytes } from 'node:crypto';
import { openLegacy } from '../../src/format/ciphertext.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { legacyBoxes } from '../../src/format/legacy-forms.ts';
import { OLD_FORMS, oldBox, oldJson } from './support/old-application.ts';

const KEY_BYTES = Buffer.alloc(32, 7);
const KEY = KeyMaterial.fromBytes(KEY_BYTES);
const WRITER = { key: KEY_BYTES };

describe.each(Object.entries(OLD_FORMS))('a row stored as %s', (_, write) => {
  test.each(['', 'Patient has diabetes', 'Zoë 😀', 'v1:', '{}'])('of the text %j is read', (text) => {
    expect(read(write(text, WRITER))).toBe(text);
  });

  test.each([0, 1, 2, 9, 12, 20_251_012_103_000])('of version v%i is read', (version) => {
    expect(read(write('note', { ...WRITER, version }))).toBe('note');
  });

  test('is read with whatever byte its nonce begins', () => {
    for (let first = 0; first < 256; first += 1) {
      const nonce = randomBytes(12);
      nonce[0] = first;
      expect(read(write('note', { ...WRITER, nonce }))).toBe('note');
    }
  });

  test.each(['v1:', 'v1', 'v:', 'v123456789:', 'v99999999999', '{', ' \t\r\n{', '{}', '            ', '\u0001\u0000'])(
    'is read with a nonce that begins with %j',
    (start) => {
      const nonce = randomBytes(12);
      nonce.write(start);
      expect(read(write('note', { ...WRITER, nonce }))).toBe('note');
    },
  );

  test('of another key is not read', () => {
    expect(read(write('note', { key: Buffer.alloc(32, 8) }))).toBeUndefined();
  });
});

test('a row has no more candidates than it may have forms', () => {
  const nonce = Buffer.from('abcdefghijkl');
  expect(legacyBoxes(oldBox('note', { ...WRITER, nonce }))).toHaveLength(1);
  expect(legacyBoxes(OLD_FORMS['vN: before the bytes']('note', { ...WRITER, nonce }))).toHaveLength(2);
  expect(legacyBoxes(OLD_FORMS['vN: before base64']('note', WRITER))).toHaveLength(3);
  expect(legacyBoxes(OLD_FORMS['a JSON object']('note', WRITER))).toHaveLength(2);
});

test('a JSON object is read in any order of its fields, with other white space and with further fields', () => {
  const { version, ciphertext, algorithm } = oldJson('note', WRITER);
  const reordered = { algorithm, created_at: '2025-10-12', ciphertext, nested: { ciphertext: 'x' }, version };
  expect(read(asBytes(reordered))).toBe('note');
  expect(read(Buffer.from(` \t\r\n${JSON.stringify(reordered, null, 2)}\r\n`))).toBe('note');
});

test.each([
  ['a number as version', { version: 1 }],
  ['a version that is not vN', { version: '1' }],
  ['a version of another spelling', { version: 'v1 ' }],
  ['a version that something precedes', { version: 'dev1' }],
  ['an array as version', { version: ['v1'] }],
  ['no version', { version: undefined }],
  ['another algorithm', { algorithm: 'AES-128-GCM' }],
  ['no algorithm', { algorithm: undefined }],
  ['no ciphertext', { ciphertext: undefined }],
  ['a ciphertext that is no text', { ciphertext: [1] }],
  ['a ciphertext that is not strict base64', { ciphertext: `${String(oldJson('note', WRITER)['ciphertext'])}\n` }],
])('a JSON object with %s is not of that form', (_, change) => {
  const row = { ...oldJson('note', WRITER), ...change };
  expect(legacyBoxes(asBytes(row))).toEqual([asBytes(row)]);
});

const BOX = oldBox('note', WRITER).toString('base64');

test.each([
  ['an array', [`v1:${BOX}`]],
  ['a text without vN:', BOX],
  ['a text that something precedes', `dev1:${BOX}`],
])('a JSON object whose data is %s is not of that form', (_, data) => {
  expect(legacyBoxes(asBytes({ data }))).toEqual([asBytes({ data })]);
});

test('a byte order mark or a letter before a JSON object makes it no row in JSON', () => {
  for (const start of ['\uFEFF', 'x', ',']) {
    const row = Buffer.concat([Buffer.from(start), OLD_FORMS['a JSON object']('note', WRITER)]);
    expect(legacyBoxes(row)).toEqual([row]);
  }
});

test.each(['[]', 'null', '"v1"', '{', '{"version":"v1"', '\uFEFF{}', '{"version":"v1"}\u0000'])(
  'the text %j is no row in JSON',
  (text) => {
    expect(legacyBoxes(Buffer.from(text))).toEqual([Buffer.from(text)]);
  },
);

test('JSON in invalid UTF-8 is no row in JSON', () => {
  const row = Buffer.from(JSON.stringify({ ...oldJson('note', WRITER), name: 'Zoë' }), 'latin1');
  expect(legacyBoxes(row)).toEqual([row]);
});

test.each(['V1:', 'v:', 'v-1:', 'v1', 'v1;', 'version1:', ' v1:', 'v１:'])(
  '%j is not the start of a version',
  (start) => {
    // A random nonce would begin with a colon once in 256.
    const row = Buffer.concat([Buffer.from(start), oldBox('note', { ...WRITER, nonce: Buffer.from('abcdefghijkl') })]);
    expect(legacyBoxes(row)).toEqual([row]);
  },
);

test('base64 after vN: is read in its one strict spelling only', () => {
  const row = OLD_FORMS['vN: before base64']('note', WRITER);
  expect(read(Buffer.concat([row, Buffer.from('\n')]))).toBeUndefined();
  expect(read(Buffer.from(row.toString().replace(/=+$/, '')))).toBe(row.includes('=') ? undefined : 'note');
});

test('a view into a larger buffer is read within its bounds', () => {
  for (const write of Object.values(OLD_FORMS)) {
    const row = write('note', WRITER);
    const larger = new Uint8Array(Buffer.concat([Buffer.from('before'), row, Buffer.from('after')]));
    expect(read(larger.subarray(6, 6 + row.length))).toBe('note');
  }
});

function read(row: Uint8Array): string | undefined {
  return openLegacy(legacyBoxes(row), KEY)?.toString();
}

function asBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
