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

test.each(['', 'not base64', 'YQ', 'YQ==\n', ' YQ==', 'YR==', '_-_-', 'Zoë'])(
  'the text %j, which is no strict base64, is given as its own bytes',
  (text) => {
    expect(rowFromText(text)).toEqual(Buffer.from(text));
  },
);

test.each([null, undefined, Buffer.alloc(40), 7])('%p is no cell of a text column', (value) => {
  expect(errorOf(() => rowFromText(value as never)).code).toBe('INVALID_CIPHERTEXT');
});
