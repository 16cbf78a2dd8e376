import { decryptField, encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { rowFromText } from '../../src/format/row-from-text.ts';
import { errorOf } from './support/error-of.ts';
import { OLD_FORMS } from './support/old-application.ts';

const KEY_BYTES = Buffer.alloc(32, 7);
const KEY = KeyMaterial.fromBytes(KEY_BYTES);

/** Every spelling that a text column may hold, beside one another. */
const CELLS = {
  'base64 of ours': (text: string) => encryptField(text, KEY).toString('base64'),
  'base64 of an older row': (text: string) =>
    OLD_FORMS['nonce, ciphertext, tag'](text, { key: KEY_BYTES }).toString('base64'),
  'vN: before base64': (text: string) => OLD_FORMS['vN: before base64'](text, { key: KEY_BYTES }).toString(),
  'a JSON object': (text: string) => OLD_FORMS['a JSON object'](text, { key: KEY_BYTES }).toString(),
};

describe.each(Object.entries(CELLS))('a cell of a text column with %s', (_, write) => {
  test.each(['', 'note', 'Zoë 😀', 'Patient has diabetes'])('of the text %j is read', (text) => {
    expect(decryptField(rowFromText(write(text)), KEY)).toBe(text);
  });
});

/** Bytes whose base64 fills several lines, and ends with `=`. */
const LONG = Buffer.from(Array.from({ length: 100 }, (_, index) => index));
const base64 = LONG.toString('base64');
const inLines = (end: string, length = 76) => base64.match(new RegExp(`.{1,${length}}`, 'g'))?.join(end) ?? '';

test.each([
  ['LF', inLines('\n')],
  ['LF, also at the end', `${inLines('\n')}\n`],
  ['CR LF', inLines('\r\n')],
  ['CR LF, also at the end', `${inLines('\r\n')}\r\n`],
  ['LF after each letter', inLines('\n', 1)],
  ['CR LF after each letter', inLines('\r\n', 1)],
])('base64 in lines that end with %s is decoded', (_, text) => {
  expect(rowFromText(text)).toEqual(LONG);
});

test.each([
  ['LF and CR LF', `${inLines('\n')}\r\n`],
  ['an empty line', inLines('\n\n')],
  ['a line that is no base64 before it', `v1:\n${inLines('\n')}`],
  ['a line that is no base64 after it', `${inLines('\n')}\n:`],
  ['a line end before it', `\n${inLines('\n')}`],
])('base64 in lines with %s is given as its own bytes', (_, text) => {
  expect(rowFromText(text)).toEqual(Buffer.from(text));
});

test.each(['', 'not base64', 'YQ', 'YQ==\n', ' YQ==', 'YR==', '_-_-', 'Zoë'])(
  'the text %j, which is no strict base64, is given as its own bytes',
  (text) => {
    expect(rowFromText(text)).toEqual(Buffer.from(text));
  },
);

test.each([null, undefined, Buffer.alloc(40), 7])('%p is no cell of a text column', (value) => {
  expect(errorOf(() => rowFromText(value as never)).code).toBe('INVALID_CIPHERTEXT');
});

test('lines of one letter, millions of them, are joined as others are', () => {
  const text = `${'A'.repeat(16)}${'\nA'.repeat(4_000_000)}`;
  expect(rowFromText(text)).toHaveLength(3 * (4_000_016 / 4));
  expect(rowFromText(`${text}:`)).toHaveLength(text.length + 1);
});
