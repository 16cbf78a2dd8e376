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

test.each([
  [null, 'null'],
  [undefined, 'undefined'],
  [7, 'a number'],
  [['text'], 'an array'],
  [Buffer.from('text'), 'an object'],
  [{ text: 'text' }, 'an object without that member'],
  [{ 0: 7 }, 'an object in which it is a number'],
])('an error says what was found in place of a row: %p', (value, found) => {
  const { message } = errorOf(() => rowFromJson(value, '0'));
  expect(message).toBe(
    `A JSON value with a ciphertext is a string, or an object whose member "0" is a string; found ${found}. ` +
      'Leave NULL values out, and name the member that holds the ciphertext.',
  );
});

test('the member that holds the ciphertext may be named', () => {
  const row = encryptField('note', KEY);
  const cell = { data: 'another', note: row.toString('base64') };
  expect(rowFromJson(cell, 'note')).toEqual(row);
  expect(rowFromJson(JSON.stringify(cell), 'note')).toEqual(row);
});

test('a member that every object inherits is not one of the cell', () => {
  expect(errorOf(() => rowFromJson({}, 'toString')).message).toContain('an object without that member');
});

test('older data is read where the named member is missing, but not in place of it', () => {
  const older = oldJson('note', WRITER);
  const row = encryptField('newer', KEY);
  expect(decryptField(rowFromJson(older, 'note'), KEY)).toBe('note');
  expect(rowFromJson({ ...older, note: row.toString('base64') }, 'note')).toEqual(row);
  expect(decryptField(rowFromJson({ ...older, data: 'another' }), KEY)).toBe('note');
});

test.each([{ name: 'x' }, { note: null }, { note: 7, name: 'x' }])(
  'a named member is not read from the ciphertext of an object with other members: %j',
  (others) => {
    const older = { ...oldJson('note', WRITER), ...others };
    expect(errorOf(() => rowFromJson(older, 'note')).code).toBe('INVALID_CIPHERTEXT');
    expect(decryptField(rowFromJson(older), KEY)).toBe('note');
  },
);

test('JSON in white space, and JSON in a JSON string, is read', () => {
  const cell = CELLS['data with ours']('note');
  expect(decryptField(rowFromJson(` \t\r\n${JSON.stringify(cell)}\n`), KEY)).toBe('note');
  expect(decryptField(rowFromJson(JSON.stringify(JSON.stringify(cell))), KEY)).toBe('note');
});

test.each(['{', '"', '["a"]', '7', '[{"data":"AQID"}]', 'x {"data":"AQID"}'])(
  'the text %j, which spells neither object nor string, is given as its own bytes',
  (text) => {
    expect(rowFromJson(text)).toEqual(Buffer.from(text));
  },
);

test('JSON within an array is not looked for', () => {
  const cell = JSON.stringify(CELLS['data with ours']('note'));
  expect(errorOf(() => rowFromJson([cell])).message).toContain('found an array.');
});

test('white space before JSON, and digits of a version, may be of any length', () => {
  const spaces = ' '.repeat(20_000_000);
  expect(errorOf(() => rowFromJson(`${spaces}{}`)).message).toContain('an object without that member');
  const fields = { version: `v${'1'.repeat(20_000_000)}`, ciphertext: 'AQID', algorithm: 'AES-256-GCM' };
  expect(rowFromJson(fields)).toEqual(Buffer.from([1, 2, 3]));
});

test('JSON in JSON is read to 32 levels, with memory that does not depend on them', () => {
  const nested = (levels: number) => {
    const quotes = Array.from({ length: levels }, (_, n) => (n === 0 ? '"' : `\\${'u005c'.repeat(n - 1)}u0022`));
    return `${quotes.join('')}AQID${quotes.reverse().join('')}`;
  };
  expect(rowFromJson(nested(32))).toEqual(Buffer.from([1, 2, 3]));
  for (const levels of [33, 600]) {
    const error = errorOf(() => rowFromJson(nested(levels)));
    expect(error).toMatchObject({
      code: 'INVALID_CIPHERTEXT',
      message: expect.stringContaining('32 levels') as string,
    });
  }
});
