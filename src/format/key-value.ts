import { KeyRotationError } from './error.ts';
import { readJsonDate } from './json/json-date.ts';
import { jsonMembers, withJsonValues } from './json/json-members.ts';
import { KEY_BYTES, KeyMaterial } from './key-material.ts';
import { decodeStrictBase64 } from './strict-base64.ts';

/** The form of a secret's value, without the key. Hexadecimal digits are replaced by base64. */
export type KeyFormat = { readonly kind: 'base64' } | { readonly kind: 'binary' } | JsonKeyFormat;

/** A parsed value of a secret's version. It prints nothing secret. */
export interface StoredKey {
  readonly key: KeyMaterial;
  readonly format: KeyFormat;
}

const BASE64: KeyFormat = { kind: 'base64' };
const BINARY: KeyFormat = { kind: 'binary' };

/** In the words of the guide. */
const KEY_SUBJECT = 'Encryption key from AWS Secrets Manager';
const KEY_MEMBER = 'encryption_key';
const CREATED_MEMBER = 'created_at';
const EXPIRES_MEMBER = 'expires_at';

/** White space of JSON: JavaScript's trim() and Python's strip() would each accept more. */
const WORDS = /[^ \t\r\n]+/g;
const OPENS_AN_OBJECT = /^[ \t\r\n]*\{/;
const HEX_KEY = /^[0-9A-Fa-f]{64}$/;

/**
 * Reads the value of a secret: base64 of 32 bytes (strict, white space around it allowed), 64 hexadecimal digits (which
 * would also be base64 of 48 bytes), a JSON object whose `encryption_key` is one of these, or `SecretBinary` of 32
 * bytes. Throws `INVALID_KEY_VALUE` for anything else. The error says what was found, never the value.
 */
export function readKeyValue(value: {
  readonly SecretString?: string | undefined;
  readonly SecretBinary?: Uint8Array | undefined;
}): StoredKey {
  const { SecretString: text, SecretBinary: bytes } = value;
  if (text !== undefined) return OPENS_AN_OBJECT.test(text) ? readJson(text) : { key: readText(text), format: BASE64 };
  if (bytes !== undefined) return { key: keyFrom(bytes), format: BINARY };
  throw invalid('a version with neither SecretString nor SecretBinary');
}

/** The message of an `INVALID_KEY_VALUE` about a value that is not from AWS but is `called` otherwise. */
export function invalidKeyText({ message }: KeyRotationError, called: string): string {
  return message.replace(KEY_SUBJECT, () => called);
}

/** Writes a JSON object with `created_at` set to `now` and `expires_at` moved by the same span. */
export function writeKeyValue(
  key: KeyMaterial,
  format: KeyFormat,
  now: Date,
): { SecretString: string } | { SecretBinary: Uint8Array } {
  const bytes = key.exportBytes();
  switch (format.kind) {
    case 'binary':
      return { SecretBinary: bytes };
    case 'base64':
      return { SecretString: bytes.toString('base64') };
    case 'json':
      return { SecretString: format.write(bytes.toString('base64'), now) };
  }
}

/** A JSON object around a key. Its other members may be secret, so nothing prints them. */
class JsonKeyFormat {
  readonly kind = 'json';
  readonly #withoutKey: string;

  constructor(json: string) {
    this.#withoutKey = withJsonValues(json, new Map([[KEY_MEMBER, '']]));
  }

  /** Everything but the key and its two dates stays as it is. */
  write(base64Key: string, now: Date): string {
    const values = new Map<string, string | number | undefined>([[KEY_MEMBER, base64Key]]);
    const created = this.#date(CREATED_MEMBER);
    // Without a creation date no span is known, and a guessed expiry would be worse than the old one.
    if (created !== undefined) {
      const expires = this.#date(EXPIRES_MEMBER);
      values.set(CREATED_MEMBER, created.write(now.getTime()));
      values.set(EXPIRES_MEMBER, expires?.write(expires.time + now.getTime() - created.time));
    }
    return withJsonValues(this.#withoutKey, values);
  }

  #date(name: string): ReturnType<typeof readJsonDate> {
    const text = jsonMembers(this.#withoutKey).findLast((member) => member.name === name)?.text;
    return text === undefined || text === '{' || text === '[' ? undefined : readJsonDate(JSON.parse(text));
  }
}

function readJson(json: string): StoredKey {
  let object: Partial<Record<string, unknown>>;
  try {
    object = JSON.parse(json) as typeof object;
  } catch {
    // The parser's message quotes the text around the mistake.
    throw invalid('text that begins like a JSON object but is not valid JSON');
  }
  const [member, second] = jsonMembers(json).filter(({ name }) => name === KEY_MEMBER);
  if (member === undefined) throw invalid(`a JSON object without "${KEY_MEMBER}"`);
  // Parsers differ in which of two they take.
  if (second !== undefined) throw invalid(`a JSON object with more than one "${KEY_MEMBER}"`);
  const text = object[KEY_MEMBER];
  if (typeof text !== 'string') throw invalid(`a JSON object whose "${KEY_MEMBER}" is not a string`);
  return { key: readText(text), format: new JsonKeyFormat(json) };
}

function readText(text: string): KeyMaterial {
  const [word, second] = text.match(WORDS) ?? [];
  if (word === undefined) throw invalid('an empty text');
  if (second !== undefined) throw invalid('text with white space inside the key');
  const bytes = HEX_KEY.test(word) ? Buffer.from(word, 'hex') : decodeStrictBase64(word);
  if (bytes === undefined) throw invalid(`${word.length} characters that are not base64${reason(word)}`);
  return keyFrom(bytes);
}

function keyFrom(bytes: Uint8Array): KeyMaterial {
  if (bytes.length === KEY_BYTES) return KeyMaterial.fromBytes(bytes);
  throw new KeyRotationError(
    'INVALID_KEY_VALUE',
    `${KEY_SUBJECT} must be ${KEY_BYTES} bytes, got ${bytes.length} bytes`,
  );
}

/** The usual mistakes, named without revealing a character of the key. */
function reason(text: string): string {
  if (/^["'`]|["'`]$/.test(text)) return ' (they are in quotation marks, which docker --env-file keeps)';
  if (/^[A-Za-z0-9_=-]+$/.test(text) && /[_-]/.test(text)) return ' (they use the URL alphabet, - and _)';
  if (text.length % 4 !== 0) return ' (their number is not a multiple of 4: was the padding = lost?)';
  return '';
}

function invalid(found: string): KeyRotationError {
  return new KeyRotationError(
    'INVALID_KEY_VALUE',
    `${KEY_SUBJECT} must be base64 of 32 bytes, 64 hexadecimal digits, a JSON object with ` +
      `one of these as "${KEY_MEMBER}", or 32 bytes of SecretBinary; found ${found}. ` +
      'Put a valid key (make one with: openssl rand -base64 32).',
  );
}
