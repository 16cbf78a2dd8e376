import { constants, isUtf8 } from 'node:buffer';
import { openLegacy, openNumbered, requireCiphertext, seal } from './ciphertext.ts';
import { KeyRotationError } from './error.ts';
import { KeyMaterial } from './key-material.ts';
import { toKeyNumber, type KeyNumber } from './key-number.ts';
import { legacyBoxes } from './legacy-forms.ts';
import { pooledNonce, type NonceSource } from './nonce.ts';
import { readVarint } from './varint.ts';
import { requireWellFormed } from './well-formed.ts';

export interface EncryptOptions {
  /** The number of the key on its ring. Default: 0, 'the writer did not know it'. */
  readonly number?: KeyNumber | 0;
  /** Default: `pooledNonce`. */
  readonly nonces?: NonceSource;
}

export interface DecryptOptions {
  /** Whether to read data written before this system. Its context is not checked. Default: true. */
  readonly legacy?: boolean;
}

/**
 * Encrypts a text or bytes with a given key and binds the result to `context` (such as `patients:7:notes`; default:
 * empty). The result is 29 to 33 bytes longer than the UTF-8, depending on the number. A key may encrypt at most 2^32
 * times (see `seal`). Pass a `KeyMaterial`: making one from bytes costs as much as the encryption.
 *
 * Throws `INVALID_TEXT` for a plaintext that is neither a string nor bytes and for a text or context that is not
 * well-formed Unicode, `INVALID_KEY_VALUE` for a key that is not 32 bytes, `INVALID_KEY_NUMBER` for a number that no
 * reader would accept.
 */
export function encryptField(
  text: string | Uint8Array,
  key: KeyMaterial | Uint8Array,
  context = '',
  options: EncryptOptions = {},
): Buffer {
  const { number = 0, nonces = pooledNonce } = options;
  // Nothing would open a row with a header that no reader accepts.
  return seal(text, KeyMaterial.from(key), number === 0 ? 0 : toKeyNumber(number), context, nonces());
}

/**
 * Decrypts a field to text; see `decryptBytes`. Also throws `INVALID_TEXT` if the field opens but is not UTF-8:
 * `decryptBytes` reads such a field.
 */
export function decryptField(
  bytes: Uint8Array,
  key: KeyMaterial | Uint8Array,
  context = '',
  options: DecryptOptions = {},
): string {
  return textOf(decryptBytes(bytes, key, context, options));
}

/** Keeps a byte order mark. Throws `INVALID_TEXT` for bytes that are not UTF-8, or too many for a string. */
export function textOf(plaintext: Buffer): string {
  requireStringLength(plaintext.length, 'decryptBytes');
  const text = plaintext.toString('utf8');
  // Node writes U+FFFD for invalid UTF-8, so only a text with one needs a second look.
  if (text.includes('\uFFFD') && !isUtf8(plaintext)) {
    throw new KeyRotationError(
      'INVALID_TEXT',
      'The field was decrypted, but its content is not valid UTF-8. Read it with decryptBytes.',
    );
  }
  return text;
}

/** Throws `INVALID_TEXT` for more bytes or characters than a string of JavaScript holds, about 512 MB. */
export function requireStringLength(length: number, instead: string): void {
  if (length > constants.MAX_STRING_LENGTH)
    throw new KeyRotationError(
      'INVALID_TEXT',
      `The value has ${length} bytes, more than a string can hold (${constants.MAX_STRING_LENGTH}). Use ${instead}.`,
    );
}

/**
 * Decrypts a field with a given key: under the number that it names, then in every form of data written before this
 * system. For a row from a text column (`vN:…` or JSON), pass the bytes of that text.
 *
 * Throws `INVALID_CIPHERTEXT` for a value that is not bytes or has fewer than 28, `DECRYPTION_FAILED` if no tag
 * verifies, `INVALID_TEXT` for a context that is not well-formed Unicode, `INVALID_KEY_VALUE` for a key that is not 32
 * bytes.
 */
export function decryptBytes(
  bytes: Uint8Array,
  key: KeyMaterial | Uint8Array,
  context = '',
  options: DecryptOptions = {},
): Buffer {
  const { legacy = true } = options;
  requireCiphertext(bytes);
  requireWellFormed(context, 'context');
  const material = KeyMaterial.from(key);
  const number = readVarint(bytes);
  const plaintext =
    (number === undefined ? undefined : openNumbered(bytes, material, number, context)) ??
    (legacy ? openLegacy(legacyBoxes(bytes), material) : undefined);
  if (plaintext === undefined) throw decryptionFailed(number);
  return plaintext;
}

function decryptionFailed(number: KeyNumber | 0 | undefined): KeyRotationError {
  return new KeyRotationError(
    'DECRYPTION_FAILED',
    `Decryption failed: the row ${describeNumber(number)}, and the given key does not open it in this context. ` +
      'Either the row was encrypted with another key (this process may hold one from before a rotation: restart it, ' +
      'or read through the key ring, which tries every key), or its bytes or its context were changed.',
  );
}

export function describeNumber(number: KeyNumber | 0 | undefined): string {
  if (number === undefined) return 'has no key number';
  return number === 0 ? 'has number 0 (its writer did not know the number of its key)' : `has key number ${number}`;
}
