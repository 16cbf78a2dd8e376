import { isUtf8 } from 'node:buffer';
import { MIN_CIPHERTEXT_BYTES } from '../format/ciphertext.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { readVarint } from '../format/varint.ts';
import { openWithAnyKey } from './attribution.ts';
import type { RingKeys } from './all-keys.ts';

/** The shortest ciphertext, 28 bytes, has 38 characters in base64 without its padding, and 56 in hexadecimal. */
const BASE64_RUN = /[A-Za-z0-9+/_-]{38,}/g;
const HEXADECIMAL = /^[0-9A-Fa-f]{56,}$/;

/** Base64 over several lines, as `encode` of PostgreSQL and MIME write it. */
const BASE64_LINES = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;

/**
 * The number of the key that opens a ciphertext inside a plaintext (0: a key without a number); `undefined` where none
 * is seen. Looked at are bytes that are no text, and in a text every run of base64 or hexadecimal, in the strings of
 * JSON too. `contexts`: those that the inner ciphertext may be in, beside none; in another context it is not seen.
 */
export function nestedKey(plaintext: Buffer, contexts: readonly string[], keys: RingKeys): KeyNumber | 0 | undefined {
  if (plaintext.length < MIN_CIPHERTEXT_BYTES) return undefined;
  const tried = ['', ...contexts];
  if (!isUtf8(plaintext)) return openedBy(plaintext, tried, keys);
  for (const candidate of candidates(plaintext.toString())) {
    const number = openedBy(candidate, tried, keys);
    if (number !== undefined) return number;
  }
  return undefined;
}

function openedBy(bytes: Uint8Array, contexts: readonly string[], keys: RingKeys): KeyNumber | 0 | undefined {
  if (bytes.length < MIN_CIPHERTEXT_BYTES) return undefined;
  return openWithAnyKey({ bytes, number: readVarint(bytes), contexts }, keys)?.number;
}

function* candidates(text: string): Generator<Buffer> {
  yield* runs(text);
  if (BASE64_LINES.test(text) && /\s/.test(text)) yield Buffer.from(text, 'base64');
  if (!/^\s*[[{"]/.test(text)) return;
  for (const member of jsonStrings(text)) yield* candidates(member);
}

function* runs(text: string): Generator<Buffer> {
  for (const [run] of text.matchAll(BASE64_RUN)) {
    yield Buffer.from(run, 'base64');
    // `\x` is how PostgreSQL writes bytea; its x may belong to the run.
    const digits = run.replace(/^x/, '');
    if (HEXADECIMAL.test(digits)) yield Buffer.from(digits, 'hex');
  }
}

/** The strings in a text of JSON; none where it is not JSON. Those without an escape were seen in the text itself. */
function jsonStrings(text: string): readonly string[] {
  const strings: string[] = [];
  try {
    JSON.parse(text, (_, value: unknown) => {
      if (typeof value === 'string' && value.length >= MIN_CIPHERTEXT_BYTES) strings.push(value);
      return undefined;
    });
  } catch {
    // No JSON: its runs were looked at.
  }
  return strings;
}
