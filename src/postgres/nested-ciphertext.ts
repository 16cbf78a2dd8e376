import { isUtf8 } from 'node:buffer';
import { MIN_CIPHERTEXT_BYTES } from '../format/ciphertext.ts';
import { MAX_KEY_NUMBER, type KeyNumber } from '../format/key-number.ts';
import { MAX_STAGING_LABELS } from '../format/ring-labels.ts';
import { readVarint } from '../format/varint.ts';
import { openWithAnyKey, type CandidateRow } from './attribution.ts';
import type { OpeningKeys } from './known-keys.ts';
import { openable } from './tag-check.ts';

/** The shortest ciphertext, 28 bytes, has 38 characters in base64 without its padding, and 56 in hexadecimal. */
const LEAST_BASE64 = 38;
const LEAST_HEXADECIMAL = 56;
const BASE64_RUN = /[A-Za-z0-9+/_-]{38,}/g;
const HEXADECIMAL_RUN = /[0-9A-Fa-f]{56,}/g;

/** Over several lines, as `encode` of PostgreSQL, MIME and PEM write it. */
const LINES = /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}(?:[ \t]*\r?\n[ \t]*[A-Za-z0-9+/_-]+)+/g;

/** What a text without any ciphertext has none of: a long run, the first line of several, or an escape of JSON. */
const MAY_HAVE_CIPHERTEXT = /[A-Za-z0-9+/_-]{16}|\\/;

const MAY_BE_JSON = /^\s*[[{"]/;

/** Characters before a ciphertext that may be glued to it, such as `enc_`. */
const MOST_GLUED = 16;

/** Runs of a text that are tried so: each try takes as long as opening a row with every key. */
const MOST_RUNS_GLUED = 10;

/** Characters of a run that show whether it looks random. */
const JUDGED = 512;

/**
 * The numbers of the keys that open ciphertexts inside a plaintext (0: a key without a number), and inside what these
 * hold. Looked at are bytes that are not text, and every run of base64 or hexadecimal, over several lines and in the
 * strings of JSON too. `contexts`: those that an inner ciphertext may be in, beside none; in another context it
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
  for (const row of openable(rows(plaintext, contexts, highestNumber(keys)), keys)) {
    const opened = openWithAnyKey(row, keys);
    if (opened === undefined) continue;
    found.add(opened.number);
    if (opened.plaintext.length >= MIN_CIPHERTEXT_BYTES) look(opened.plaintext, contexts, keys, found);
  }
}

/** What the plaintext may hold. A number that no key of the ring can have had is not tried in any context. */
function* rows(plaintext: Buffer, contexts: readonly string[], highest: number): Generator<CandidateRow> {
  for (const bytes of spelled(plaintext)) {
    const number = readVarint(bytes);
    yield { bytes, number: number !== undefined && number <= highest ? number : undefined, contexts };
  }
}

/** A text in another encoding, behind a binary header, or cut within a character has its runs of ASCII all the same. */
function* spelled(plaintext: Buffer): Generator<Buffer> {
  const isText = isUtf8(plaintext);
  if (!isText) yield plaintext;
  yield* candidates(plaintext.toString(isText ? 'utf8' : 'latin1'));
}

/** The highest number that a key of the ring may have had: as many as a secret has labels may have been removed by hand. */
function highestNumber({ ring, inOrder }: OpeningKeys): number {
  for (const { number } of inOrder) if (number === 0) return MAX_KEY_NUMBER;
  return Math.max(0, ...ring.versionOf.keys()) + MAX_STAGING_LABELS;
}

function* candidates(text: string): Generator<Buffer> {
  if (!MAY_HAVE_CIPHERTEXT.test(text)) return;
  yield* runs(text);
  for (const [lines] of text.matchAll(LINES)) yield* runs(lines.replace(/\s+/g, ''));
  for (const part of withoutEscapes(text)) yield* candidates(part);
}

function* runs(text: string): Generator<Buffer> {
  for (const { bytes } of runsIn(text)) yield bytes;
}

/** What runs of base64 and hexadecimal spell, from their first characters and from each of the next few. */
export function* runsIn(text: string): Generator<{ readonly start: number; readonly bytes: Buffer }> {
  let rest = MOST_RUNS_GLUED;
  for (const [run] of text.matchAll(BASE64_RUN)) {
    const mostGlued = (rest -= 1) < 0 ? 0 : Math.min(MOST_GLUED, run.length - LEAST_BASE64);
    if (!isRandom(run, 64)) continue;
    // Four characters are three bytes.
    const decoded = [0, 1, 2, 3].slice(0, mostGlued + 1).map((start) => Buffer.from(run.slice(start), 'base64'));
    for (let start = 0; start <= mostGlued; start += 1) {
      const bytes = decoded[start % 4]?.subarray(3 * Math.floor(start / 4));
      if (bytes !== undefined && (start === 0 || isWhole(run, run.length - start))) yield { start, bytes };
    }
  }
  rest = MOST_RUNS_GLUED;
  for (const [run] of text.matchAll(HEXADECIMAL_RUN)) {
    const first = run.length % 2;
    const mostGlued = (rest -= 1) < 0 ? 0 : Math.min(MOST_GLUED, run.length - LEAST_HEXADECIMAL);
    if (!isRandom(run, 16)) continue;
    const decoded = Buffer.from(run.slice(first), 'hex');
    for (let start = 0; start === 0 || first + 2 * start <= mostGlued; start += 1) {
      yield { start, bytes: decoded.subarray(start) };
    }
  }
}

/** Whether the bits of the last character that belong to no byte are zero, as at the end of base64. */
function isWhole(run: string, length: number): boolean {
  const over = length % 4;
  return over < 2 || (over === 2 ? 'AQgw' : 'AEIMQUYcgkosw048').includes(run.slice(-1));
}

/** Of a long run with few different characters, as words have, fewer than one ciphertext in 2^60 looks like it. */
function isRandom(run: string, alphabet: number): boolean {
  const seen = run.slice(MOST_GLUED, MOST_GLUED + JUDGED);
  const different = new Set(seen).size;
  return seen.length * Math.log2(alphabet / different) < alphabet + 60;
}

/** Strings with an escape, or all of a text that is not JSON (several values, or cut). The rest is seen in the text. */
function withoutEscapes(text: string): readonly string[] {
  if (!text.includes('\\')) return [];
  if (isJson(text)) return [...escapedStrings(text)].filter((string) => string.length >= MIN_CIPHERTEXT_BYTES);
  const plain = text.replaceAll(/\\(?:u([0-9A-Fa-f]{4})|(.))/g, (_, code: string | undefined, character: string) =>
    code === undefined ? (WHITE_SPACE.get(character) ?? character) : String.fromCharCode(parseInt(code, 16)),
  );
  return plain === text ? [] : [plain];
}

const WHITE_SPACE = new Map(['b ', 'f ', 'n\n', 'r\r', 't\t'].map((pair) => [pair.slice(0, 1), pair.slice(1)]));

function isJson(text: string): boolean {
  // A mark of the byte order is white space to a regular expression, and an error to the parser.
  if (!MAY_BE_JSON.test(text)) return false;
  try {
    JSON.parse(text.trim());
    return true;
  } catch {
    return false;
  }
}

/** A parser would keep only the last of several members of one name. */
function* escapedStrings(json: string): Generator<string> {
  for (let start = json.indexOf('"'); start >= 0;) {
    let end = start + 1;
    let isEscaped = false;
    for (; json[end] !== '"'; end += 1) {
      if (json[end] !== '\\') continue;
      isEscaped = true;
      end += 1;
    }
    if (isEscaped) yield String(JSON.parse(json.slice(start, end + 1)));
    start = json.indexOf('"', end + 1);
  }
}
