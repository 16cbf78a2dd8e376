import { isUtf8 } from 'node:buffer';
import { MIN_CIPHERTEXT_BYTES } from '../../format/ciphertext.ts';
import { endOfString, MOST_LEVELS } from '../../format/json/json-text.ts';
import { MAX_KEY_NUMBER } from '../../format/key-number.ts';
import { MAX_STAGING_LABELS } from '../../format/ring-labels.ts';
import { readVarint } from '../../format/varint.ts';
import { openWithAnyKey, type CandidateRow } from '../attribution.ts';
import { escapedBytes } from './escaped-bytes.ts';
import type { OpeningKeys } from '../known-keys.ts';
import { numbersIn, percentDecoded, percentEncodedBytes, unescaped, withoutRepeats } from './other-spellings.ts';
import { openable } from '../tag-check.ts';

/** The shortest ciphertext, 28 bytes, has 38 characters in base64 without its padding, and 56 in hexadecimal. */
const LEAST_BASE64 = 38;
const LEAST_HEXADECIMAL = 56;

/** Only its beginning is found by a regular expression: a repetition keeps each step on a stack, which overflows. */
interface Alphabet {
  readonly start: RegExp;
  /** 1 for a character of it. */
  readonly has: Uint8Array;
}

const BASE64: Alphabet = { start: /[A-Za-z0-9+/_-]{38}/g, has: charactersOf(/[A-Za-z0-9+/_-]/) };
const HEXADECIMAL: Alphabet = { start: /[0-9A-Fa-f]{56}/g, has: charactersOf(/[0-9A-Fa-f]/) };

/** The first of several lines, as `encode` of PostgreSQL, MIME and PEM write them. */
const FIRST_LINE: Alphabet = { start: /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16}/g, has: BASE64.has };

/** What a text has none of that spells no ciphertext in letters: a long run, the first line of several, or an escape. */
const MAY_HAVE_CIPHERTEXT = /[A-Za-z0-9+/_-]{16}|\\|%[0-9A-Fa-f]{2}/;

/** Characters before a ciphertext that may be glued to it, such as `enc_`. */
const MOST_GLUED = 16;

/** Characters before a ciphertext that end with a separator, such as a path with a UUID, and how many such ends are tried. */
const LONGEST_PATH = 96;
const MOST_ENDS_OF_PATHS = 8;

/** Characters behind it, such as `-` and a UUID, which has four separators more. */
const MOST_GLUED_BEHIND = 40;
const SEPARATOR = /[+/_-]/g;
const MOST_SEPARATORS = 5;

/** Lines directly above or below it that are as long as its own, such as the digest of a file. */
const MOST_LINES_ALIKE = 3;
const LEAST_LINE_ALIKE = 16;

/** Runs of a text that are tried so: each try takes as long as opening a row with every key. */
const MOST_RUNS_GLUED = 10;

/** Characters of a run that show whether it looks random. */
const JUDGED = 512;

/**
 * The numbers of the keys that open ciphertexts inside a plaintext (0: a key without a number), and inside what these
 * hold. Looked at are bytes that are not text, and every run of base64 or hexadecimal, over several lines, in the strings
 * of JSON and percent-encoded too, and numbers and escapes that stand for bytes. `contexts`: those that an inner ciphertext may be in, beside none; in another context it
 * is not seen. Throws where ciphertexts are in ciphertexts more than `MOST_LEVELS` deep, or escapes of several kinds in
 * escapes twice as deep. `found`: gets those that were found before.
 */
export function nestedKeys(
  plaintext: Buffer,
  contexts: readonly string[],
  keys: OpeningKeys,
  found = new Set<number>(),
): ReadonlySet<number> {
  allAtOnce(nestedSearch(plaintext, contexts, keys, found));
  return found;
}

/** Work in parts: other work may be done at each `yield`. */
export type InParts<Result> = Generator<undefined, Result>;

export function allAtOnce<Result>(parts: InParts<Result>): Result {
  for (;;) {
    const part = parts.next();
    if (part.done === true) return part.value;
  }
}

export function* nestedSearch(
  plaintext: Buffer,
  contexts: readonly string[],
  keys: OpeningKeys,
  found: Set<number>,
): InParts<void> {
  if (plaintext.length < MIN_CIPHERTEXT_BYTES) return;
  const all = ['', ...contexts];
  const failures: unknown[] = [];
  let outer = [plaintext];
  for (let level = 0; outer.length > 0; level += 1) {
    if (level > MOST_LEVELS) throw tooDeep();
    const inner: Buffer[] = [];
    for (const one of outer) {
      for (const row of openable(untilFailing(rows(one, all, highestNumber(keys)), failures), keys)) {
        yield undefined;
        if (row === undefined) continue;
        const opened = openWithAnyKey(row, keys);
        if (opened === undefined) continue;
        found.add(opened.number);
        if (opened.plaintext.length >= MIN_CIPHERTEXT_BYTES) inner.push(opened.plaintext);
      }
    }
    outer = inner;
  }
  if (failures.length > 0) throw failures[0];
}

/** What comes before a failure is looked at all the same. */
function* untilFailing<T>(values: Iterable<T>, failures: unknown[]): Generator<T> {
  try {
    yield* values;
  } catch (error) {
    failures.push(error);
  }
}

function tooDeep(): Error {
  return new Error(`A value has text or ciphertexts more than ${MOST_LEVELS} levels within one another.`);
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
  let outer = [text];
  let known: ReadonlySet<string> = new Set();
  for (let level = 0; outer.length > 0; level += 1) {
    const inner: string[] = [];
    const seen = new Set<string>();
    for (const one of outer) {
      yield* numbersIn(one);
      if (!MAY_HAVE_CIPHERTEXT.test(one)) continue;
      if (level > 2 * MOST_LEVELS) throw tooDeep();
      yield* escapedBytes(one);
      yield* percentEncodedBytes(one);
      yield* runs(one);
      for (const lines of linesIn(one, known, seen)) yield* runs(lines);
      for (const part of withoutEscapes(level < MOST_LEVELS ? one : withoutRepeats(one))) inner.push(part);
    }
    outer = inner;
    known = seen;
  }
}

/**
 * What base64 over several lines spells, without its line ends and the blanks around them: all lines that follow one
 * another, and each part of these as an encoder writes it. Letters may stand in the lines around a ciphertext. Opening
 * these parts takes most of the time, so a level of escapes tries only those with or near a line that it has changed.
 * `known`: pairs of lines, and lines that follow one another, of the level before; `seen` gets those of this one.
 */
function* linesIn(text: string, known: ReadonlySet<string>, seen: Set<string>): Generator<string> {
  if (!text.includes('\n')) return;
  const hasEscapes = /[\\%]/.test(text);
  for (let run = runFrom(text, 0, FIRST_LINE); run !== undefined;) {
    let { end } = run;
    const lines = [text.slice(run.start, end)];
    for (let start = startOfNextLine(text, end); start !== undefined; start = startOfNextLine(text, end)) {
      const lineEnd = endOfRun(text, start, FIRST_LINE);
      if (lineEnd === start) break;
      lines.push(text.slice(start, lineEnd));
      end = lineEnd;
    }
    const all = lines.join('\n');
    const pairs = lines.map((line, at) => `${line}\n${lines[at + 1] ?? ''}`).slice(0, -1);
    if (lines.length > 1 && !known.has(all)) yield lines.join('');
    yield* evenParts(lines, newUntil(pairs, known));
    if (hasEscapes) for (const one of [all, ...pairs]) seen.add(one);
    run = runFrom(text, end, FIRST_LINE);
  }
}

/**
 * Lines of one length with a shorter last one behind them, and a first one of any length, also without a few lines of that
 * length above and below. All of the lines is no part.
 */
function* evenParts(lines: readonly string[], newPairs: readonly number[]): Generator<string> {
  const lengthOf = (at: number) => lines[at]?.length ?? 0;
  const starts = lines.flatMap((_, at) => (lengthOf(at) === lengthOf(at - 1) ? [] : [at]));
  for (const [n, start] of starts.entries()) {
    const end = starts[n + 1] ?? lines.length;
    const evenEnds = end > start + 1 ? [end] : [end, end + 1, starts[n + 2] ?? lines.length];
    const ends = evenEnds.flatMap((at) => (lengthOf(at) < lengthOf(at - 1) ? [at, at + 1] : [at]));
    const alike = lengthOf(start) < LEAST_LINE_ALIKE ? 0 : MOST_LINES_ALIKE;
    for (let above = 0; above <= alike && start + above < end; above += 1) {
      const last = evenEnds.at(-1) ?? end;
      const fewer = Array.from({ length: alike - above }, (_, below) => last - below - 1);
      for (const after of new Set([...ends, ...fewer])) {
        const from = start + above;
        if (after > from + 1 && after - from < lines.length && isNear(newPairs, from, after))
          yield lines.slice(from, after).join('');
      }
    }
  }
}

/** How many pairs of lines are new before each place. */
function newUntil(pairs: readonly string[], known: ReadonlySet<string>): readonly number[] {
  const counts = [0];
  let count = 0;
  for (const pair of pairs) counts.push((count += known.has(pair) ? 0 : 1));
  return counts;
}

/** The lines around a part decide where parts begin and end. */
function isNear(newPairs: readonly number[], from: number, after: number): boolean {
  const start = Math.max(0, from - MOST_LINES_ALIKE - 1);
  const end = Math.min(newPairs.length - 1, after + MOST_LINES_ALIKE);
  return (newPairs[end] ?? 0) > (newPairs[start] ?? 0);
}

function startOfNextLine(text: string, end: number): number | undefined {
  const lineEnd = afterBlanks(text, end);
  const next = text.charAt(lineEnd) === '\r' ? lineEnd + 1 : lineEnd;
  return text.charAt(next) === '\n' ? afterBlanks(text, next + 1) : undefined;
}

function afterBlanks(text: string, start: number): number {
  let end = start;
  while (text.charAt(end) === ' ' || text.charAt(end) === '\t') end += 1;
  return end;
}

function* runsOf(text: string, alphabet: Alphabet): Generator<string> {
  for (let run = runFrom(text, 0, alphabet); run !== undefined; run = runFrom(text, run.end, alphabet)) {
    yield text.slice(run.start, run.end);
  }
}

function runFrom(text: string, from: number, alphabet: Alphabet): { start: number; end: number } | undefined {
  const { start } = alphabet;
  start.lastIndex = from;
  const found = start.exec(text);
  return found === null ? undefined : { start: found.index, end: endOfRun(text, start.lastIndex, alphabet) };
}

function endOfRun(text: string, start: number, { has }: Alphabet): number {
  let end = start;
  while (has[text.charCodeAt(end)] === 1) end += 1;
  return end;
}

function charactersOf(members: RegExp): Uint8Array {
  return Uint8Array.from({ length: 128 }, (_, code) => Number(members.test(String.fromCharCode(code))));
}

function* runs(text: string): Generator<Buffer> {
  for (const { bytes } of runsIn(text)) yield bytes;
  let rest = MOST_RUNS_GLUED;
  for (const run of runsOf(text, BASE64)) {
    if ((rest -= 1) < 0) return;
    for (const part of betweenSeparators(run)) if (isRandom(part, 64)) yield Buffer.from(part, 'base64');
    for (const part of behindPaths(run)) if (isRandom(part, 64)) yield Buffer.from(part, 'base64');
  }
}

/** What may stand between a word before it and a word behind it, such as `doc_…_v2` and `/files/…/photo`. */
function* betweenSeparators(run: string): Generator<string> {
  const ends = endsBeforeSeparators(run);
  if (ends.length === 0) return;
  const before = [...run.slice(0, MOST_GLUED).matchAll(SEPARATOR)].map(({ index }) => index + 1);
  for (const start of [0, ...before.slice(0, MOST_SEPARATORS)]) {
    for (const end of ends) if (end - start >= LEAST_BASE64) yield run.slice(start, end);
  }
}

function endsBeforeSeparators(run: string): readonly number[] {
  const behind = Math.max(0, run.length - MOST_GLUED_BEHIND);
  return [...run.slice(behind).matchAll(SEPARATOR)].map(({ index }) => behind + index).slice(-MOST_SEPARATORS);
}

/** What follows a path, with a word behind it or without. */
function* behindPaths(run: string): Generator<string> {
  const ends = [...endsBeforeSeparators(run), run.length];
  for (const start of endsOfPaths(run)) {
    for (const end of ends)
      if (end - start >= LEAST_BASE64 && isAll(run.slice(start, end))) yield run.slice(start, end);
  }
}

/** Where a ciphertext may begin behind more characters than are tried one by one. */
function endsOfPaths(run: string): readonly number[] {
  const separators = [...run.slice(MOST_GLUED, LONGEST_PATH).matchAll(SEPARATOR)].slice(0, MOST_ENDS_OF_PATHS);
  return separators.map(({ index }) => MOST_GLUED + index + 1);
}

/** Whether base64 may have ended so: not all numbers of characters are a number of bytes. */
function isAll(base64: string): boolean {
  return base64.length % 4 !== 1 && isWhole(base64, base64.length);
}

/** What runs of base64 and hexadecimal spell, from their first characters and from each of the next few. */
export function* runsIn(text: string): Generator<{ readonly start: number; readonly bytes: Buffer }> {
  let rest = MOST_RUNS_GLUED;
  for (const run of runsOf(text, BASE64)) {
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
  for (const run of runsOf(text, HEXADECIMAL)) {
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

/**
 * Strings with an escape, or all of a text that is not JSON (several values, or cut). The rest is seen in the text. What is
 * percent-encoded waits for the escapes of JSON: with both at each level, texts would double.
 */
export function withoutEscapes(text: string): Iterable<string> {
  if (text.includes('\\') && isJson(text)) return escapedStrings(text);
  const unquoted = text.includes('\\') ? unescaped(text) : text;
  const plain = unquoted === text ? percentDecoded(text) : unquoted;
  return plain === text ? [] : [plain];
}

function isJson(text: string): boolean {
  // A mark of the byte order is white space to a regular expression, and an error to the parser.
  if (!'[{"'.includes(text.charAt(text.search(/\S/)))) return false;
  try {
    JSON.parse(text.trim());
    return true;
  } catch {
    return false;
  }
}

/** A parser would keep only the last of several members of one name. */
function* escapedStrings(json: string): Generator<string> {
  for (let start = json.indexOf('"'), end; start >= 0; start = json.indexOf('"', end)) {
    end = endOfString(json, start);
    if (end - start < MIN_CIPHERTEXT_BYTES) continue;
    const string = json.slice(start, end);
    if (/[\\%]/.test(string)) yield String(JSON.parse(string));
  }
}
