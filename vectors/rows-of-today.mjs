// Rows of today's form: written, tampered with, moved, cut, and with numbers that are none.
import { bytesOf, flipped, header, NUMBERS, row, SENTENCE } from './forms.mjs';
import { add, FAILED, written } from './row-list.mjs';

written('number 0: the example of the guide, 49 bytes', SENTENCE);
for (const number of NUMBERS) written(`number ${number}`, SENTENCE, { number });
const inContext = written('with a context', SENTENCE, { number: 3, context: 'patients:7:note' });
written('with a context outside ASCII', SENTENCE, { number: 3, context: 'Patientin:Größe:😀' });
written('an empty text', '', { number: 1 });
written('an empty text under number 0', '');
written('text outside ASCII', 'Größe 1,80 m, 寿司, 😀, e\u0301', { number: 1 });
written('text with a byte order mark in front, which is part of it', '\uFEFFtext', { number: 1 });
written('text with NUL and line breaks', 'a\0b\r\nc\u2028d', { number: 1 });
written('a long text', 'long text '.repeat(700), { number: 2 });
written('under another key', SENTENCE, { number: 2, key: 'other' });

for (const [id, hex] of [
  ['a lone continuation byte', '80'],
  ['an overlong zero', 'c080'],
  ['half of a surrogate pair', 'eda0bd'],
  ['above U+10FFFF', 'f4908080'],
  ['a cut character', '61e282'],
  ['the bytes ff fe', 'fffe'],
]) {
  const bytes = row(Buffer.from(hex, 'hex'), { number: 1, nonce: bytesOf(`nonce utf8 ${id}`, 12) });
  add(`holds bytes that are no UTF-8: ${id}`, bytes, { bytes: hex });
}

// Tampered, moved, cut
const number5 = row(SENTENCE, { number: 5, nonce: bytesOf('nonce tampered', 12) });
for (let index = 0; index < number5.length; index += 1) {
  add(`one bit flipped in byte ${index}`, flipped(number5, index, index % 8), FAILED);
}
add('number 5 changed to 6', Buffer.concat([header(6), number5.subarray(1)]), FAILED);
add('number 5 changed to 300, which takes two bytes', Buffer.concat([header(300), number5.subarray(1)]), FAILED);
add('number taken away', number5.subarray(1), FAILED);
add('one byte more at the end', Buffer.concat([number5, Buffer.from([0])]), FAILED);
add('one byte more in front', Buffer.concat([Buffer.from([0]), number5]), FAILED);
add('in another context', inContext, FAILED, { context: 'patients:8:note' });
add('in no context', inContext, FAILED);
add('written without a context, read in one', number5, FAILED, { context: 'patients:7:note' });
add('in its context, with a line feed at the end', inContext, FAILED, { context: 'patients:7:note\n' });
add(
  'in its context, decomposed: contexts are not normalised',
  row('x', { number: 1, context: 'Gr\u00F6\u00DFe', nonce: bytesOf('nonce nfc', 12) }),
  FAILED,
  { context: 'Gro\u0308\u00DFe' },
);
add('with another key', number5, FAILED, { key: 'other' });
add('a context that holds half of a surrogate pair', number5, { error: 'INVALID_TEXT' }, { context: 'a\uD83D' });
add(
  'a context with a surrogate pair the wrong way round',
  number5,
  { error: 'INVALID_TEXT' },
  { context: '\uDE00\uD83D' },
);
for (const cut of [1, 4, 8, 12]) {
  add(`its tag cut by ${cut} bytes`, number5.subarray(0, -cut), FAILED);
  const short = row(SENTENCE, { number: 5, nonce: bytesOf(`nonce short tag ${cut}`, 12), tagBytes: 16 - cut });
  // Of 16 - cut = 15 bytes and fewer: GCM defines shorter tags, this format does not.
  add(`a tag of ${16 - cut} bytes, valid as such`, short, FAILED);
}
for (const length of [0, 1, 12, 16, 27]) {
  add(`${length} bytes: too short`, number5.subarray(0, length), { error: 'INVALID_CIPHERTEXT' });
}
add('28 bytes of anything', number5.subarray(0, 28), FAILED);
add('28 zero bytes', Buffer.alloc(28), FAILED);
const emptyRow = row('', { number: 1, nonce: bytesOf('nonce empty cut', 12) });
add('an empty text, its number cut off: 28 bytes', emptyRow.subarray(1), FAILED);

// Numbers that are none. Each is sealed with its own header as additional data, so that only the number is wrong.
for (const [id, hex] of [
  ['0 in two bytes', '8000'],
  ['1 in two bytes', '8100'],
  ['127 in two bytes', 'ff00'],
  ['128 in three bytes', '808100'],
  ['5 in five bytes', '8580808000'],
  ['1,000,000,000, one too many', '8094ebdc03'],
  ['2^32 - 1', 'ffffffff0f'],
  ['2^35 - 1', 'ffffffff7f'],
  ['six bytes', '818080808001'],
  ['without an end', 'ffffffffffffffffffff'],
]) {
  const start = Buffer.from(hex, 'hex');
  add(`no number: ${id}`, row(SENTENCE, { start, nonce: bytesOf(`nonce number ${hex}`, 12) }), FAILED);
}
add('where older data is refused', number5, { text: SENTENCE }, { legacy: false });
