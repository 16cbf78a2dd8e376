import { MIN_CIPHERTEXT_BYTES } from '../../format/ciphertext.ts';

/** A byte that is written with digits: `\236` of PostgreSQL, `\x9e` of Python. */
const BYTE_WITH_DIGITS = /\\(?:[0-3][0-7]{2}|x[0-9A-Fa-f]{2})/;

/** `encode(…, 'escape')` of PostgreSQL leaves control characters as they are. */
// eslint-disable-next-line no-control-regex
const NOT_PRINTABLE = /[\x00-\x1f\x7f]|\\(?:[0-3][0-7]{2}|x[0-9A-Fa-f]{2})/;

// eslint-disable-next-line no-control-regex
const OTHER_THAN_ASCII = /[^\x00-\x7f]+/;
/** A byte that is written with a name: those of C, Python and JSON, `\e` of Ruby and `\0` of Rust. */
const NAMED_BYTE = /\\[abefnrtv0]/;

const LINE_ENDS = /[\n\r\t]/;

/** A row has each quote twice, and JSON has a backslash before it. */
const QUOTES = [
  { quote: '"', twice: '""', escapes: /\\([\\"'])|(")"/g },
  { quote: "'", twice: "''", escapes: /\\([\\"'])|(')'/g },
] as const;

const BACKSLASH = 0x5c;
const NAMED = new Map(
  ['a\x07', 'b\b', 't\t', 'n\n', 'v\v', 'f\f', 'r\r', 'e\x1b', '0\0'].map((pair) => [
    pair.charCodeAt(0),
    pair.charCodeAt(1),
  ]),
);

/** Writers of escapes in one another, such as JSON in a row in a literal of SQL. */
const MOST_WRITERS = 4;

/**
 * The bytes that a text with escapes spells, as the `escape` form of PostgreSQL (`\001\236`) and Python (`b'\x01\x9e'`)
 * write them: all of the text, each line or cell of it, and what is between quotes. There, each backslash and quote may be
 * written twice, by several writers in turn: JSON, a row, a literal of SQL. A name in front of it may end at the first
 * byte that is not printable. Each character is looked at a fixed number of times, whatever the text is.
 */
export function* escapedBytes(text: string): Generator<Buffer> {
  if (!BYTE_WITH_DIGITS.test(text)) return;
  for (const ascii of text.split(OTHER_THAN_ASCII)) {
    if (mayBeBytes(ascii)) for (const written of writtenIn(ascii)) yield* bytesOf(written);
  }
}

function mayBeBytes(text: string): boolean {
  return text.length >= MIN_CIPHERTEXT_BYTES && BYTE_WITH_DIGITS.test(text);
}

function* writtenIn(text: string): Generator<string> {
  const lines = text.split(LINE_ENDS);
  for (const part of lines.length === 1 ? lines : [text, ...lines.filter(mayBeBytes)]) {
    yield part;
    if (part.includes('\\\\')) yield part.replaceAll('\\\\', '\\');
  }
  yield* quotedIn(text, MOST_WRITERS);
}

/** Each writer has made each backslash two, so that its part is longer than what it wrote. */
function* quotedIn(text: string, writers: number): Generator<string> {
  for (const { quote, twice, escapes } of QUOTES) {
    if (!text.includes(quote)) continue;
    for (const part of betweenQuotes(text, quote)) {
      yield part;
      if (part.includes(twice)) yield part.replaceAll(twice, quote);
      if (!part.includes('\\\\')) continue;
      const written = part.replaceAll(escapes, '$1$2');
      yield written;
      if (writers > 1) yield* quotedIn(written, writers - 1);
    }
  }
}

/**
 * What is between two quotes. An even number of quotes in a row stands for quotes of the value, or for an empty value; of
 * an odd number, one is around the value.
 */
function* betweenQuotes(text: string, quote: string): Generator<string> {
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text.charCodeAt(at) === BACKSLASH) at += 1;
    else if (text[at] === quote) {
      const first = at;
      while (text[at + 1] === quote) at += 1;
      if ((at - first) % 2 === 1) continue;
      const part = text.slice(start, at);
      if (mayBeBytes(part)) yield part;
      start = first + 1;
    }
  }
  const last = text.slice(start);
  if (start > 0 && mayBeBytes(last)) yield last;
}

function* bytesOf(written: string): Generator<Buffer> {
  const start = written.search(NOT_PRINTABLE);
  if (start < 0) return;
  const named = written.search(NAMED_BYTE);
  for (const from of new Set([0, start, named >= 0 && named < start ? named : start])) yield decoded(written, from);
}

/** As `decode(…, 'escape')`, and the escapes of other languages. What is no escape stands for itself. */
function decoded(text: string, start: number): Buffer {
  const bytes = Buffer.allocUnsafe(text.length - start);
  let length = 0;
  for (let at = start; at < text.length; at += 1) {
    let code = text.charCodeAt(at);
    if (code === BACKSLASH && at + 1 < text.length) {
      const digits = text.slice(at + 1, at + 4);
      if (/^[0-3][0-7]{2}$/.test(digits)) {
        code = parseInt(digits, 8);
        at += 3;
      } else if (/^x[0-9A-Fa-f]{2}$/.test(digits)) {
        code = parseInt(digits.slice(1), 16);
        at += 3;
      } else {
        at += 1;
        code = NAMED.get(text.charCodeAt(at)) ?? text.charCodeAt(at);
      }
    }
    length = bytes.writeUInt8(code, length);
  }
  return bytes.subarray(0, length);
}
