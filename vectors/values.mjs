// Values of secrets.
import { base64, bytesOf, KEYS } from './forms.mjs';

const G = base64(KEYS.guide);
const HEX = KEYS.guide.toString('hex');
const guideHex = HEX;
const otherText = base64(KEYS.other);
export const keyValues = [];
const value = (id, given, expected) => keyValues.push({ id, ...given, ...expected });
const good = (id, string) => value(id, { string }, { key: guideHex });
const bad = (id, string) => value(id, { string }, { error: 'INVALID_KEY_VALUE' });

good('base64', G);
good('white space around it: space, tab, CR, LF', ` \t\r\n${G}\r\n\t `);
good('hexadecimal', HEX);
good('hexadecimal in capitals', HEX.toUpperCase());
good('hexadecimal in both', HEX.slice(0, 32) + HEX.slice(32).toUpperCase());
good('hexadecimal with a line feed', `${HEX}\n`);
value('64 digits that are base64 of 48 bytes too', { string: '0'.repeat(64) }, { key: '00'.repeat(32) });
good('JSON', JSON.stringify({ encryption_key: G }));
good('JSON with hexadecimal', JSON.stringify({ encryption_key: HEX }));
good('JSON with white space around the key', JSON.stringify({ encryption_key: `\n ${G}\t` }));
good(
  'JSON with more in it',
  JSON.stringify({
    created_at: '2025-01-01T00:00:00Z',
    n: [1, { encryption_key: otherText }],
    encryption_key: G,
    x: null,
  }),
);
good('JSON with white space around', ` \t\r\n{ "encryption_key" :\n"${G}" }\r\n`);
good('JSON, the name in escapes', `{"encryption\\u005fkey":"${G}"}`);
good('JSON, the key in escapes', `{"encryption_key":"\\u0072${G.slice(1).replaceAll('/', '\\/')}"}`);
good('JSON, another name twice', `{"a":1,"a":2,"encryption_key":"${G}"}`);
good('JSON, the same name in an object within', `{"a":{"encryption_key":"x"},"encryption_key":"${G}"}`);
good('JSON, half of a surrogate pair in escapes beside', `{"a":"\\ud83d","encryption_key":"${G}"}`);
good('JSON, a number of 5,000 digits beside', `{"a":${'1'.repeat(5000)},"encryption_key":"${G}"}`);
good('JSON, a number too large for a double beside', `{"a":1e999,"encryption_key":"${G}"}`);
good('JSON, nested 20,000 deep beside', `{"a":${'['.repeat(20000)}${']'.repeat(20000)},"encryption_key":"${G}"}`);
good('JSON, __proto__ beside', `{"__proto__":{"encryption_key":"x"},"encryption_key":"${G}"}`);
value('32 bytes of SecretBinary', { binary: guideHex }, { key: guideHex });
value(
  '32 bytes of SecretBinary that spell base64 are the key themselves',
  { binary: Buffer.from(G.slice(0, 32)).toString('hex') },
  { key: Buffer.from(G.slice(0, 32)).toString('hex') },
);

for (const length of [0, 1, 16, 24, 31, 33, 48, 64]) {
  bad(`base64 of ${length} bytes`, base64(bytesOf('short', length)));
  bad(`JSON with base64 of ${length} bytes`, JSON.stringify({ encryption_key: base64(bytesOf('short', length)) }));
  value(
    `${length} bytes of SecretBinary`,
    { binary: bytesOf('short', length).toString('hex') },
    { error: 'INVALID_KEY_VALUE' },
  );
}
value('neither SecretString nor SecretBinary', {}, { error: 'INVALID_KEY_VALUE' });
value(
  'SecretBinary that spells the key in base64',
  { binary: Buffer.from(G).toString('hex') },
  { error: 'INVALID_KEY_VALUE' },
);
bad('white space alone', ' \n\t\r');
bad('the padding lost', G.replace(/=+$/, ''));
bad('one sign of padding too many', `${G}=`);
bad('trailing bits that are not zero', G.replace(/.=$/, 'Z='));
bad('the URL alphabet', base64(Buffer.alloc(32, 0xfb)).replaceAll('+', '-').replaceAll('/', '_'));
bad('a line feed inside', `${G.slice(0, 20)}\n${G.slice(20)}`);
bad('a space inside', `${G.slice(0, 20)} ${G.slice(20)}`);
bad('two keys', `${G}\n${otherText}`);
for (const [id, space] of [
  ['no-break space', '\u00A0'],
  ['vertical tab', '\v'],
  ['form feed', '\f'],
  ['next line', '\u0085'],
  ['line separator', '\u2028'],
  ['byte order mark', '\uFEFF'],
  ['zero-width space', '\u200B'],
  ['NUL', '\0'],
  ['file separator', '\u001C'],
]) {
  bad(`${id} in front`, space + G);
  bad(`${id} at the end`, G + space);
}
bad('63 hexadecimal digits', HEX.slice(1));
bad('65 hexadecimal digits', `${HEX}0`);
bad('hexadecimal with 0x', `0x${HEX}`);
bad('hexadecimal with colons', HEX.match(/../g).join(':'));
bad('64 digits, one of another script', `\u0661${HEX.slice(1)}`);
bad('in quotes', `"${G}"`);
bad('a JSON list', `["${G}"]`);
bad('a placeholder', 'your-fallback-key-here');
bad('JSON, encryption_key twice', `{"encryption_key":"${G}","encryption_key":"${G}"}`);
bad('JSON, encryption_key twice, once in escapes', `{"encryption_key":"${G}","encryption\\u005fkey":"${G}"}`);
bad('JSON without encryption_key', `{"key":"${G}"}`);
bad('JSON, an empty object', '{}');
bad('JSON, the key within another object', `{"a":{"encryption_key":"${G}"}}`);
bad('JSON, the name in other case', `{"Encryption_Key":"${G}"}`);
for (const [id, text] of [
  ['null', 'null'],
  ['a number', '1'],
  ['true', 'true'],
  ['a list', `["${G}"]`],
  ['an object', `{"a":"${G}"}`],
  ['an empty text', '""'],
]) {
  bad(`JSON, encryption_key is ${id}`, `{"encryption_key":${text}}`);
}
for (const [id, text] of [
  ['NaN', '{"a":NaN,"encryption_key":"K"}'],
  ['Infinity', '{"a":Infinity,"encryption_key":"K"}'],
  ['-Infinity', '{"a":-Infinity,"encryption_key":"K"}'],
  ['a zero in front', '{"a":01,"encryption_key":"K"}'],
  ['a plus sign', '{"a":+1,"encryption_key":"K"}'],
  ['a point at the end of a number', '{"a":1.,"encryption_key":"K"}'],
  ['a number in another script', '{"a":\u0661,"encryption_key":"K"}'],
  ['undefined', '{"a":undefined,"encryption_key":"K"}'],
  ['a trailing comma', '{"encryption_key":"K",}'],
  ['a leading comma', '{,"encryption_key":"K"}'],
  ['no comma', '{"a":1 "encryption_key":"K"}'],
  ['no colon', '{"encryption_key" "K"}'],
  ['a colon for a comma', '{"a":1:"encryption_key":"K"}'],
  ['a comment', '{"encryption_key":"K"/**/}'],
  ['single quotes', "{'encryption_key':'K'}"],
  ['a name without quotes', '{encryption_key:"K"}'],
  ['something after it', '{"encryption_key":"K"}x'],
  ['a second object after it', '{"encryption_key":"K"}{}'],
  ['no end', '{"encryption_key":"K"'],
  ['one bracket only', '{'],
  ['one bracket too many', '{"encryption_key":"K"}}'],
  ['the wrong bracket', '{"a":[1},"encryption_key":"K"}'],
  ['a list that ends in a comma', '{"a":[1,],"encryption_key":"K"}'],
  ['a line break in a text', '{"a":"\n","encryption_key":"K"}'],
  ['a tab in a text', '{"a":"\t","encryption_key":"K"}'],
  ['an unknown escape', '{"a":"\\x41","encryption_key":"K"}'],
  ['an escape of three digits', '{"a":"\\u041","encryption_key":"K"}'],
  ['a byte order mark in front', '\uFEFF{"encryption_key":"K"}'],
  ['a byte order mark within', '{\uFEFF"encryption_key":"K"}'],
  ['a no-break space in front', '\u00A0{"encryption_key":"K"}'],
  ['a form feed within', '{\f"encryption_key":"K"}'],
  ['a no-break space at the end', '{"encryption_key":"K"}\u00A0'],
]) {
  bad(`no JSON: ${id}`, text.replaceAll('K', G));
}
