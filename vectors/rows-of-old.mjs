// Data written before this system, and what only looks like it.
import { base64, box, bytesOf, flipped, KEYS, SENTENCE } from './forms.mjs';
import { add, FAILED } from './row-list.mjs';

const old = (id, text = SENTENCE, key = 'guide') =>
  box(Buffer.from(text), { nonce: bytesOf(`old ${id}`, 12), key: KEYS[key] });
const oldFrom = (start, text = SENTENCE) =>
  box(Buffer.from(text), { nonce: Buffer.concat([Buffer.from(start), bytesOf(`old ${start}`, 12)]).subarray(0, 12) });
const OPENS = { text: SENTENCE };
const json = (fields) => Buffer.from(typeof fields === 'string' ? fields : JSON.stringify(fields));
const fields = (bytes) => ({ version: 'v1', ciphertext: base64(bytes), algorithm: 'AES-256-GCM' });

add('old form (a)', old('a'), OPENS);
add('old form (a), context not checked', old('a context'), OPENS, { context: 'patients:7:note' });
add('old form (a), an empty text: 28 bytes', old('a empty', ''), { text: '' });
add('old form (a), not read where older data is refused', old('a off'), FAILED, { legacy: false });
add(
  'old form (a), a context that holds half of a surrogate pair',
  old('a ctx'),
  { error: 'INVALID_TEXT' },
  { context: '\uD83D' },
);
add('old form (a), with another key', old('a other', SENTENCE, 'other'), FAILED);
add('old form (a), one bit flipped', flipped(old('a flip'), 20), FAILED);
add(
  'old form (a), with additional data: no form',
  box(Buffer.from(SENTENCE), { nonce: bytesOf('old aad', 12), additional: Buffer.from('x') }),
  FAILED,
);
for (let byte = 0; byte < 256; byte += 1) {
  const hex = byte.toString(16).padStart(2, '0');
  add(`old form (a), nonce begins with ${hex}`, oldFrom([byte]), OPENS);
}
for (const start of ['v1:', 'v12:', 'v1:v2:', '{"version":', ' {"a":1}', 'v1:AAAAAAAA']) {
  add(`old form (a), nonce begins with ${start}`, oldFrom(Buffer.from(start)), OPENS);
}
add('old form (a), nonce begins with a number that is not minimal', oldFrom([0x81, 0x00]), OPENS);
add('old form (a), nonce is a number without an end', oldFrom(Buffer.alloc(12, 0xff)), OPENS);

for (const prefix of ['v1:', 'v2:', 'v0:', 'v007:', 'v12345678901234567890:']) {
  add(`old form (b) under ${prefix}`, Buffer.concat([Buffer.from(prefix), old(`b ${prefix}`)]), OPENS);
  add(`old form (c) under ${prefix}`, Buffer.from(prefix + base64(old(`c ${prefix}`))), OPENS);
}
add('old form (b), an empty text', Buffer.concat([Buffer.from('v1:'), old('b empty', '')]), { text: '' });
add('old form (c), an empty text', Buffer.from('v1:' + base64(old('c empty', ''))), { text: '' });
add('old form (b), nonce begins with v2:', Buffer.concat([Buffer.from('v1:'), oldFrom(Buffer.from('v2:'))]), OPENS);
for (const prefix of ['V1:', 'v:', 'v-1:', 'v1.0:', 'v1', 'v1 :', ' v1:', 'v\u0661:', 'w1:']) {
  add(
    `no form: ${JSON.stringify(prefix)} before the bytes`,
    Buffer.concat([Buffer.from(prefix), old(`no b ${prefix}`)]),
    FAILED,
  );
  add(`no form: ${JSON.stringify(prefix)} before base64`, Buffer.from(prefix + base64(old(`no c ${prefix}`))), FAILED);
}
const unpadded = old('c pad'); // 48 bytes need no padding; one byte less needs two signs
const padded = old('c padded', SENTENCE + 'x');
add('old form (c), with padding', Buffer.from('v1:' + base64(padded)), { text: SENTENCE + 'x' });
for (const [id, text] of [
  ['its padding lost', base64(padded).replace(/=+$/, '')],
  ['one sign of padding too many', base64(padded) + '='],
  ['a line feed at the end', base64(unpadded) + '\n'],
  ['a space in front', ' ' + base64(unpadded)],
  ['broken into lines', base64(unpadded).replace(/^(.{20})/, '$1\r\n')],
  [
    'in the URL alphabet',
    base64(oldFrom(Buffer.from('fbefbefbefbe', 'hex')))
      .replaceAll('+', '-')
      .replaceAll('/', '_'),
  ],
  ['in hexadecimal', unpadded.toString('hex')],
  ['twice', base64(Buffer.from(base64(unpadded)))],
]) {
  add(`old form (c) is strict base64: ${id}`, Buffer.from(`v1:${text}`), FAILED);
}

add('old form (d)', json(fields(old('d'))), OPENS);
add('old form (d), an empty text', json(fields(old('d empty', ''))), { text: '' });
add('old form (d), not read where older data is refused', json(fields(old('d off'))), FAILED, { legacy: false });
{
  const text = base64(old('d spelled'));
  const opening = [
    ['in another order', { algorithm: 'AES-256-GCM', ciphertext: text, version: 'v12' }],
    [
      'with further fields',
      { version: 'v1', key_id: null, n: [1, { version: 'x' }], ciphertext: text, algorithm: 'AES-256-GCM' },
    ],
    ['as jsonb prints it', `{"version": "v1", "algorithm": "AES-256-GCM", "ciphertext": "${text}"}`],
    [
      'with all the white space of JSON',
      ` \t\r\n{ "version"\n:\t"v1" ,"ciphertext":"${text}","algorithm"\r:"AES-256-GCM"} \t\r\n`,
    ],
    [
      'a name and a value in escapes',
      `{"\\u0076ersion":"\\u00761","ciphertext":"${text.replaceAll('/', '\\/')}","algorithm":"AES-256-GCM"}`,
    ],
    [
      'of two fields with one name the last counts',
      `{"version":"x","ciphertext":7,"version":"v1","ciphertext":"${text}","algorithm":"AES-256-GCM"}`,
    ],
    [
      'a number of 5,000 digits beside',
      `{"n":${'9'.repeat(5000)},"version":"v1","ciphertext":"${text}","algorithm":"AES-256-GCM"}`,
    ],
    [
      'nested 2,000 deep beside',
      `{"n":${'['.repeat(2000)}${']'.repeat(2000)},"version":"v1","ciphertext":"${text}","algorithm":"AES-256-GCM"}`,
    ],
    [
      'a field called __proto__ beside',
      `{"__proto__":{"version":1},"version":"v1","ciphertext":"${text}","algorithm":"AES-256-GCM"}`,
    ],
    [
      'half of a surrogate pair, escaped, beside',
      `{"n":"\\ud83d","version":"v1","ciphertext":"${text}","algorithm":"AES-256-GCM"}`,
    ],
  ];
  for (const [id, value] of opening) add(`old form (d), ${id}`, json(value), OPENS);
  const good = `"version":"v1","ciphertext":"${text}","algorithm":"AES-256-GCM"`;
  for (const [id, value] of [
    ['another algorithm', { version: 'v1', ciphertext: text, algorithm: 'aes-256-gcm' }],
    ['no algorithm', { version: 'v1', ciphertext: text }],
    ['no version', { ciphertext: text, algorithm: 'AES-256-GCM' }],
    ['a version that is a number', { version: 1, ciphertext: text, algorithm: 'AES-256-GCM' }],
    ['the version v', { version: 'v', ciphertext: text, algorithm: 'AES-256-GCM' }],
    ['a version with a line feed', { version: 'v1\n', ciphertext: text, algorithm: 'AES-256-GCM' }],
    ['a version in other digits', { version: 'v\u0661', ciphertext: text, algorithm: 'AES-256-GCM' }],
    ['no ciphertext', { version: 'v1', algorithm: 'AES-256-GCM', filler: text }],
    ['a ciphertext that is a list', { version: 'v1', ciphertext: [text], algorithm: 'AES-256-GCM' }],
    ['a ciphertext that is no strict base64', { version: 'v1', ciphertext: `${text}\n`, algorithm: 'AES-256-GCM' }],
    [
      'of two ciphertexts the last is none',
      `{"ciphertext":"${text}","version":"v1","algorithm":"AES-256-GCM","ciphertext":null}`,
    ],
    ['inside another object', `{"value":{${good}}}`],
    ['inside a list', `[{${good}}]`],
    ['as a JSON string', JSON.stringify(`{${good}}`)],
    ['a byte order mark in front', `\uFEFF{${good}}`],
    ['NaN beside', `{"n":NaN,${good}}`],
    ['Infinity beside', `{"n":-Infinity,${good}}`],
    ['a number with a zero in front beside', `{"n":01,${good}}`],
    ['a number that ends in a point beside', `{"n":1.,${good}}`],
    ['a trailing comma', `{${good},}`],
    ['a comment', `{/* */${good}}`],
    ['single quotes', `{'n':1,${good}}`],
    ['something after it', `{${good}}x`],
    ['no end', `{${good}`],
    ['a form feed between', `{\f${good}}`],
    ['a no-break space in front', `\u00A0{${good}}`],
    ['a line break in a string beside', `{"n":"a\nb",${good}}`],
    ['an unknown escape beside', `{"n":"\\x41",${good}}`],
    ['an escape of three digits beside', `{"n":"\\u004",${good}}`],
    ['closed by the wrong bracket', `{"n":[1},${good}}`],
  ]) {
    add(`no form: JSON with ${id}`, json(value), FAILED);
  }
  add(
    'no form: JSON with bytes that are no UTF-8 beside',
    Buffer.concat([Buffer.from('{"n":"'), Buffer.from([0xff]), Buffer.from(`",${good}}`)]),
    FAILED,
  );
}

{
  const text = base64(old('e'));
  add('old form (e)', json({ data: `v1:${text}` }), OPENS);
  add('old form (e), an empty text', json({ data: 'v2:' + base64(old('e empty', '')) }), { text: '' });
  add('old form (e), context not checked', json({ data: `v1:${text}` }), OPENS, { context: 'patients:7:note' });
  add('old form (e), not read where older data is refused', json({ data: `v1:${text}` }), FAILED, { legacy: false });
  for (const [id, value] of [
    ['as jsonb prints it', `{"data": "v12:${text}"}`],
    ['with further members', { kind: 'card', data: `v007:${text}`, n: [{ data: 'x' }] }],
    ['with a member called version', { version: 'v1', data: `v1:${text}` }],
    ['in escapes', `{"d\\u0061ta":"v1\\u003a${text.replaceAll('/', '\\/')}"}`],
    ['of two members with one name the last counts', `{"data":7,"data":"v1:${text}"}`],
    ['beside form (d) of another key', { ...fields(old('e d', SENTENCE, 'other')), data: `v1:${text}` }],
  ]) {
    add(`old form (e), ${id}`, json(value), OPENS);
  }
  for (const [id, value] of [
    ['data without vN:', { data: text }],
    ['data in the bytes of form (b)', { data: `v1:${old('e b').toString('latin1')}` }],
    ['data that is a list', { data: [`v1:${text}`] }],
    ['data under another name', { Data: `v1:${text}` }],
    ['data inside another object', { value: { data: `v1:${text}` } }],
    ['data that ends in a line feed', { data: `v1:${text}\n` }],
    ['of two data the last is none', `{"data":"v1:${text}","data":null}`],
  ]) {
    add(`no form: JSON with ${id}`, json(value), FAILED);
  }
}
