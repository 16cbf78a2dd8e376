import { isUtf8 } from 'node:buffer';
import { MIN_CIPHERTEXT_BYTES } from '../../format/ciphertext.ts';

const COMMA = 0x2c;
const PERCENT = 0x25;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const MOST_DIGITS = 3;
const PLUS = 0x2b;
const BLANK = 0x20;
const SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * The bytes that numbers from 0 to 255 with commas between them spell, where there are enough for a ciphertext:
 * `JSON.stringify` writes a Buffer as `{"type":"Buffer","data":[1,11,…]}`, and a Uint8Array as `{"0":1,"1":11,…}`. No space
 * is before a comma. Each character is looked at a few times, whatever the text is.
 */
export function* numbersIn(text: string): Generator<Buffer> {
  let spelled: Buffer | undefined;
  for (let comma = text.indexOf(','); comma >= 0;) {
    let end = comma;
    let byte = byteOf(text, startOfDigits(text, end), end);
    let length = 0;
    while (byte !== undefined) {
      spelled ??= Buffer.allocUnsafe(text.length);
      spelled[length] = byte;
      length += 1;
      if (text.charCodeAt(end) !== COMMA) break;
      const start = afterIndex(text, afterSpace(text, end + 1));
      end = endOfDigits(text, start);
      byte = byteOf(text, start, end);
    }
    if (spelled !== undefined && length >= MIN_CIPHERTEXT_BYTES) yield Buffer.from(spelled.subarray(0, length));
    comma = text.indexOf(',', Math.max(comma + 1, end));
  }
}

function byteOf(text: string, start: number, end: number): number | undefined {
  if (start === end || end - start > MOST_DIGITS) return undefined;
  let value = 0;
  for (let at = start; at < end; at += 1) value = 10 * value + text.charCodeAt(at) - DIGIT_0;
  return value <= 255 ? value : undefined;
}

function isDigit(code: number): boolean {
  return code >= DIGIT_0 && code <= DIGIT_9;
}

/** One digit more than a byte has shows that the number is too large. */
function startOfDigits(text: string, end: number): number {
  let start = end;
  while (end - start <= MOST_DIGITS && isDigit(text.charCodeAt(start - 1))) start -= 1;
  return start;
}

function endOfDigits(text: string, start: number): number {
  let end = start;
  while (isDigit(text.charCodeAt(end))) end += 1;
  return end;
}

function afterSpace(text: string, start: number): number {
  let end = start;
  while (SPACE.has(text.charCodeAt(end))) end += 1;
  return end;
}

/** The name of a member that is an index, such as `"12": `. */
function afterIndex(text: string, start: number): number {
  if (text.charAt(start) !== '"') return start;
  const end = endOfDigits(text, start + 1);
  return text.startsWith('":', end) ? afterSpace(text, end + 2) : end;
}

/** The text with its percent-encoded ASCII decoded once, as base64 in a URL needs it: `%2B`, `%2F` and `%3D`. */
export function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  // A function for each match would take a hundred times the memory of a long text.
  const plain = Buffer.allocUnsafe(2 * text.length);
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    let code = text.charCodeAt(at);
    const digits = code === PERCENT ? text.slice(at + 1, at + 3) : '';
    if (/^[0-7][0-9A-Fa-f]$/.test(digits)) {
      code = parseInt(digits, 16);
      at += 2;
    }
    length = plain.writeUInt16LE(code, length);
  }
  return plain.toString('utf16le', 0, length);
}

/** Nearly every ciphertext has a byte of 128 or more. */
const HIGH_BYTE = /%[89A-Fa-f][0-9A-Fa-f]/;
const ENCODED_BYTE = /%[0-9A-Fa-f]{2}/;
const OUTSIDE_OF_ENCODED = /[^\w.~%/+*-]+/;

/**
 * The bytes that a text spells percent-encoded, such as `%01%9E`: what is between two characters of which none is left as
 * it is, with the slashes that some leave, without the path in front and behind, and with a plus for itself or a blank.
 */
export function* percentEncodedBytes(text: string): Generator<Buffer> {
  if (!HIGH_BYTE.test(text)) return;
  for (const part of text.split(OUTSIDE_OF_ENCODED)) {
    if (part.length < MIN_CIPHERTEXT_BYTES || !HIGH_BYTE.test(part)) continue;
    const first = part.search(ENCODED_BYTE);
    const behind = part.indexOf('/', part.lastIndexOf('%'));
    for (const start of new Set([0, part.lastIndexOf('/', first) + 1, first])) {
      for (const end of behind < 0 ? [part.length] : [part.length, behind]) {
        const written = part.slice(start, end);
        for (const plus of written.includes('+') ? [BLANK, PLUS] : [PLUS]) {
          const bytes = bytesOf(written, plus);
          if (bytes.length >= MIN_CIPHERTEXT_BYTES && !isUtf8(bytes)) yield bytes;
        }
      }
    }
  }
}

function bytesOf(written: string, plus: number): Buffer {
  const bytes = Buffer.allocUnsafe(written.length);
  let length = 0;
  for (let at = 0; at < written.length; at += 1) {
    let code = written.charCodeAt(at);
    const digits = code === PERCENT ? written.slice(at + 1, at + 3) : '';
    if (/^[0-9A-Fa-f]{2}$/.test(digits)) {
      code = parseInt(digits, 16);
      at += 2;
    } else if (code === PLUS) code = plus;
    length = bytes.writeUInt8(code, length);
  }
  return bytes.subarray(0, length);
}

/** An escape that was escaped again and again stands for one: `%25252525` and `\u005cu005cu005c`. */
const REPEATS = [
  { first: '%', again: /25/y },
  { first: '\\', again: /u005c/iy },
] as const;

export function withoutRepeats(text: string): string {
  return REPEATS.reduce((rest, { first, again }) => {
    const parts: string[] = [];
    let start = 0;
    for (let at = rest.indexOf(first); at >= 0; at = rest.indexOf(first, start)) {
      parts.push(rest.slice(start, at + 1));
      again.lastIndex = at + 1;
      do start = Math.max(at + 1, again.lastIndex);
      while (again.test(rest));
    }
    return [...parts, rest.slice(start)].join('');
  }, text);
}

const ESCAPED = new Map(['b ', 'f ', 'n\n', 'r\r', 't\t'].map((pair) => [pair.charCodeAt(0), pair.charCodeAt(1)]));
const NOT_ESCAPED = new Set(['\n', '\r', '\u2028', '\u2029'].map((character) => character.charCodeAt(0)));
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

/** Written into a buffer, since a function for each escape of a long text takes a hundred times its memory. */
export function unescaped(text: string): string {
  const plain = Buffer.allocUnsafe(2 * text.length);
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    let code = text.charCodeAt(at);
    if (code === BACKSLASH && at + 1 < text.length && !NOT_ESCAPED.has(text.charCodeAt(at + 1))) {
      at += 1;
      code = text.charCodeAt(at);
      const digits = code === LETTER_U ? text.slice(at + 1, at + 5) : '';
      if (/^[0-9A-Fa-f]{4}$/.test(digits)) {
        code = parseInt(digits, 16);
        at += 4;
      } else code = ESCAPED.get(code) ?? code;
    }
    length = plain.writeUInt16LE(code, length);
  }
  return plain.toString('utf16le', 0, length);
}
