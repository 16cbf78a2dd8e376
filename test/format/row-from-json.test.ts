import { decryptField, encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { rowFromJson } from '../../src/format/row-from-json.ts';
import { errorOf } from './support/error-of.ts';
import { OLD_FORMS, oldJson } from './support/old-application.ts';

const KEY_BYTES = Buffer.alloc(32, 7);
const KEY = KeyMaterial.fromBytes(KEY_BYTES);
const WRITER = { key: KEY_BYTES };

/** What a driver gives for the values that a jsonb column may hold. */
const CELLS = {
  'a string with ours': (text: string) => encryptField(text, KEY).toString('base64'),
  'data with ours': (text: string) => ({ data: encryptField(text, KEY).toString('base64') }),
  'data with vN: before base64': (text: string) => ({ data: OLD_FORMS['vN: before base64'](text, WRITER).toString() }),
  'version, ciphertext and algorithm': (text: string) => oldJson(text, WRITER),
};

describe.each(Object.entries(CELLS))('a jsonb cell with %s', (_, write) => {
  test.each(['', 'note', 'Zoë 😀'])('of the text %j is read, parsed and as JSON', (text) => {
    const cell = write(text);
    expect(decryptField(rowFromJson(cell), KEY)).toBe(text);
    expect(decryptField(rowFromJson(JSON.stringify(cell)), KEY)).toBe(text);
  });
});

test.each([null, undefined, 7, true, [], [{ data: 'v1:' }], Buffer.alloc(40), {}])('%p holds no row', (value) => {
  expect(errorOf(() => rowFromJson(value)).code).toBe('INVALID_CIPHERTEXT');
});

test('an error names the member that was expected, and shows nothing of the value', () => {
  const { message } = errorOf(() => rowFromJson({ card: 'secret', data: { secret: 1 } }));
  expect(message).toContain('"data"');
  expect(message).toContain('an object in which it is an object');
  expect(message).not.toContain('secret');
});
