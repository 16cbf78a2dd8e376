import { isUtf8 } from 'node:buffer';
import { MIN_CIPHERTEXT_BYTES } from '../format/ciphertext.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { readVarint } from '../format/varint.ts';
import { openWithAnyKey } from './attribution.ts';
import type { OpeningKeys } from './known-keys.ts';

/** The shortest ciphertext, 28 bytes, has 38 characters in base64 without its padding, and 56 in hexadecimal. */
const BASE64_RUN = /[A-Za-z0-9+/_-]{38,}/g;
const HEXADECIMAL_RUN = /[0-9A-Fa-f]{56,}/g;

/** Base64 or hexadecimal over several lines, as `encode` of PostgreSQL, MIME and PEM write it. */
const LINES = /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}(?:[ \t]*\r?\n[ \t]*[A-Za-z0-9+/_-]+)+/g;

/** What a text without any ciphertext has none of: a long run, the first line of several, or an escape of JSON. */
const MAY_HAVE_CIPHERTEXT = /[A-Za-z0-9+/_-]{16}|\\/;

const MAY_BE_JSON = /^\s*[[{"]/;

/** Characters before a ciphertext that may be glued to it, such as `enc_`. */
const MOST_GLUED = 16;

/** Runs of a text that are tried so: each try takes as long as opening a row with every key. */
const MOST_RUNS_GLUED = 10;

/**
 * The numbers of the keys that open ciphertexts inside a plaintext (0: a key without a number), and inside what these
 * hold. Looked at are bytes that are no text, and in a text every run of base64 or hexadecimal, over several lines and
 * in the strings of JSON too. `contexts`: those that an inner ciphertext may be in, beside none; in another context it
 * is not seen.
 */
export function nestedKeys(
  plaintext: Buffer,
  contexts: readonly string[],
  keys: OpeningKeys,
): ReadonlySet<KeyNumber | 0> {
  const found = new Set<KeyNumber | 0>();
  if (plaintext.length >= MIN_CIPHERTEXT_BYTES) look(plaintext, ['', ...contexts], keys, found);
  return found;
}

function look(plaintext: Buffer, contexts: readonly string[], keys: OpeningKeys, found: Set<KeyNumber | 0>): void {
  for (const bytes of isUtf8(plaintext) ? candidates(plaintext.toString()) : [plaintext]) {
    if (bytes.length < MIN_CIPHERTEXT_BYTES) continue;
    const opened = openWithAnyKey({ bytes, number: readVarint(bytes), contexts }, keys);
    if (opened === undefined) continue;
    found.add(opened.number);
    if (opened.plaintext.length >= MIN_CIPHERTEXT_BYTES) look(opened.plaintext, contexts, keys, found);
  }
}

function* candidates(text: string): Generator<Buffer> {
  if (!MAY_HAVE_CIPHERTEXT.test(text)) return;
  yield* runs(text);
  for (const [lines] of text.matchAll(LINES)) yield* runs(lines.replace(/\s+/g, ''));
  // A mark of the byte order is white space to a regular expression, and an error to the parser.
  if (!MAY_BE_JSON.test(text)) return;
  for (const member of jsonStrings(text.trim())) yield* candidates(member);
}

/** What runs of base64 and hexadecimal spell, from their first characters and from each of the next few. */
function* runs(text: string): Generator<Buffer> {
  let rest = MOST_RUNS_GLUED;
  for (const [run] of text.matchAll(BASE64_RUN)) {
    yield Buffer.from(run, 'base64');
    if ((rest -= 1) < 0) continue;
    for (let start = 1; start <= MOST_GLUED && run.length - start >= 38; start += 1) {
      yield Buffer.from(run.slice(start), 'base64');
    }
  }
  rest = MOST_RUNS_GLUED;
  for (const [run] of text.matchAll(HEXADECIMAL_RUN)) {
    const first = run.length % 2;
    yield Buffer.from(run.slice(first), 'hex');
    if ((rest -= 1) < 0) continue;
    for (let start = first + 2; start <= MOST_GLUED && run.length - start >= 56; start += 2) {
      yield Buffer.from(run.slice(start), 'hex');
    }
  }
}

/** The strings in a text of JSON that have an escape, names of members too: the others are seen in the text itself. */
function jsonStrings(text: string): readonly string[] {
  const strings: string[] = [];
  const add = (value: unknown) => {
    if (typeof value === 'string' && value.length >= MIN_CIPHERTEXT_BYTES) strings.push(value);
  };
  if (!text.includes('\\')) return strings;
  try {
    JSON.parse(text, (name, value: unknown) => {
      add(name);
      add(value);
      return undefined;
    });
  } catch {
    // No JSON: its runs were looked at.
  }
  return strings;
}
