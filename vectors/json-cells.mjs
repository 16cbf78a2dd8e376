// Cells of json and jsonb columns, and the row that each holds.
import { base64, box, bytesOf, row } from './forms.mjs';

const ours = row('text', { number: 5, context: 'c', nonce: bytesOf('json ours', 12) });
const old = box(Buffer.from('text'), { nonce: bytesOf('json old', 12) });
const prefixed = `v1:${base64(old)}`;
const versioned = { version: 'v1', ciphertext: base64(old), algorithm: 'AES-256-GCM' };

/** `json`: the text of the JSON. A row is given as bytes, or as the text whose UTF-8 it is. */
const cell = (id, value, found, member) => ({
  id,
  json: typeof value === 'string' ? value : JSON.stringify(value),
  ...(member === undefined ? {} : { member }),
  ...(found === undefined ? { error: 'INVALID_CIPHERTEXT' } : { row: Buffer.from(found).toString('hex') }),
});

/** JSON in strings of JSON, so many levels deep. `JSON.stringify` would double the backslashes at each level. */
const nested = (text, levels) => {
  const quotes = Array.from({ length: levels }, (_, n) => (n === 0 ? '"' : `\\${'u005c'.repeat(n - 1)}u0022`));
  return [...quotes, text, ...quotes.reverse()].join('');
};

export const jsonCells = [
  cell('a string with a row of today', JSON.stringify(base64(ours)), ours),
  cell('a string with vN: before base64', JSON.stringify(prefixed), prefixed),
  cell('a string with an object in it', JSON.stringify(JSON.stringify(versioned)), old),
  cell('a string with data in it', JSON.stringify(JSON.stringify({ data: prefixed })), prefixed),
  cell('a string in a string', JSON.stringify(JSON.stringify(base64(ours))), ours),
  cell('a string in 31 strings', nested(base64(ours), 31), ours),
  cell('a string in 40 strings', nested(base64(ours), 40)),
  cell('an empty string', '""', ''),
  cell('data with a row of today', { data: base64(ours) }, ours),
  cell('data with vN: before base64', { data: prefixed }, prefixed),
  cell('data, as jsonb prints it', `{"data": "${prefixed}", "kind": "card"}`, prefixed),
  cell('data, with all the white space of JSON', ` \t\r\n{ "data"\n:\t"${prefixed}" }\r\n`, prefixed),
  cell('data in escapes', `{"d\\u0061ta":"${base64(ours).replaceAll('/', '\\/')}"}`, ours),
  cell('of two data the last counts', `{"data":"v1:AAAA","data":"${prefixed}"}`, prefixed),
  cell('an empty data', { data: '' }, ''),
  cell('another member by its name', { data: prefixed, card: base64(ours) }, ours, 'card'),
  cell('data by its name', { data: base64(ours) }, ours, 'data'),
  cell('a member called __proto__', `{"__proto__":"${base64(ours)}"}`, ours, '__proto__'),
  cell('version, ciphertext and algorithm', versioned, old),
  cell('version, ciphertext and algorithm, and data beside them', { ...versioned, data: base64(ours) }, old),
  cell('version, ciphertext and algorithm, and the named member', { ...versioned, data: base64(ours) }, ours, 'data'),
  cell('version, ciphertext and algorithm, without the named member', versioned, old, 'card'),
  cell(
    'version, ciphertext and algorithm, and another member than the named one',
    { ...versioned, name: 'x' },
    undefined,
    'card',
  ),
  cell(
    'version, ciphertext and algorithm, and the named member without a value',
    { ...versioned, card: null },
    undefined,
    'card',
  ),
  cell('its ciphertext by name', { ...versioned, ciphertext: base64(ours) }, ours, 'ciphertext'),
  cell('another algorithm', { ...versioned, algorithm: 'none' }),
  cell('an object without data', { value: prefixed }),
  cell('an empty object', '{}'),
  cell('a member that every object of JavaScript has', { data: prefixed }, undefined, 'toString'),
  cell('data that is null', { data: null }),
  cell('data that is a number', { data: 7 }),
  cell('data that is an object', { data: { data: prefixed } }),
  cell('data that is a list', { data: [prefixed] }),
  cell('an object without the named member', { data: prefixed }, undefined, 'card'),
  cell('an object that is not closed', `{"data":"${prefixed}"`, `{"data":"${prefixed}"`),
  cell('a string that is not closed', `"${prefixed}`, `"${prefixed}`),
  cell('an object with NaN', `{"data":"${prefixed}","n":NaN}`, `{"data":"${prefixed}","n":NaN}`),
  cell('no JSON but a row of today', base64(ours), ours),
  cell('no JSON but vN: before base64', prefixed, prefixed),
];
