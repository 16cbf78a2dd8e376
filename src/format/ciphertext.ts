import { createCipheriv, createDecipheriv } from 'node:crypto';
import { isUint8Array } from 'node:util/types';
import { KeyRotationError, typeName } from './error.ts';
import type { KeyMaterial } from './key-material.ts';
import type { KeyNumber } from './key-number.ts';
import { varintLength, writeVarint } from './varint.ts';
import { requireWellFormed } from './well-formed.ts';

/** In bytes: the 96 bits for which GCM is made (NIST SP 800-38D, section 8.2). */
export const NONCE_BYTES = 12;

/** In bytes: 128 bits, the longest tag (NIST SP 800-38D, section 5.2.1.2). */
export const TAG_BYTES = 16;

/** A legacy ciphertext of an empty text is just its nonce and its tag. */
export const MIN_CIPHERTEXT_BYTES = NONCE_BYTES + TAG_BYTES;

const ALGORITHM = 'aes-256-gcm';

// Without authTagLength, Node accepts tags of as few as 4 bytes when decrypting, and a forger needs only 2^32 tries.
const GCM_OPTIONS = { authTagLength: TAG_BYTES };

const NO_ADDITIONAL_DATA = new Uint8Array(0);

const MAX_SCRATCH_BYTES = 128;

/** Cheaper than two views of the row: node:crypto copies these bytes. */
const nonceScratch = new Uint8Array(NONCE_BYTES);
const tagScratch = new Uint8Array(TAG_BYTES);

/**
 * Encrypts to `number ‖ nonce (12) ‖ ciphertext ‖ tag (16)`. The number's bytes and the context (UTF-8) are additional
 * data: the result opens under no other number and in no other context. A text is encrypted as UTF-8.
 *
 * `nonce` is 12 bytes never used with this key before. With random nonces, a key may encrypt at most 2^32 times in all
 * processes together (NIST SP 800-38D, section 8.3).
 *
 * Throws `INVALID_TEXT` for a plaintext that is neither a string nor bytes and for a text or context that is not
 * well-formed Unicode, and a `RangeError` for a nonce of another length.
 */
export function seal(
  plaintext: string | Uint8Array,
  key: KeyMaterial,
  number: KeyNumber | 0,
  context: string,
  nonce: Uint8Array,
): Buffer {
  if (typeof plaintext === 'string') requireWellFormed(plaintext, 'text');
  else requirePlaintextBytes(plaintext);
  // GCM would accept any length, and the row could never be opened again.
  if (nonce.length !== NONCE_BYTES) throw new RangeError(`A nonce has ${NONCE_BYTES} bytes, got ${nonce.length}.`);
  const cipher = createCipheriv(ALGORITHM, key.keyObject, nonce, GCM_OPTIONS);
  cipher.setAAD(rowAdditionalData(number, context));
  const encrypted = typeof plaintext === 'string' ? cipher.update(plaintext, 'utf8') : cipher.update(plaintext);
  // GCM's final() makes the tag and returns no bytes.
  cipher.final();

  const sealed = Buffer.allocUnsafe(varintLength(number) + MIN_CIPHERTEXT_BYTES + encrypted.length);
  const nonceStart = writeVarint(sealed, number);
  const encryptedStart = nonceStart + NONCE_BYTES;
  copy(nonce, 0, NONCE_BYTES, sealed, nonceStart);
  sealed.set(encrypted, encryptedStart);
  copy(cipher.getAuthTag(), 0, TAG_BYTES, sealed, encryptedStart + encrypted.length);
  return sealed;
}

/**
 * Decrypts what `seal` wrote under this number. Returns `undefined` if the tag does not verify (another key, number or
 * context, a changed byte, legacy data) or if there are too few bytes. Throws `INVALID_TEXT` for a context that is not
 * well-formed Unicode.
 */
export function openNumbered(
  bytes: Uint8Array,
  key: KeyMaterial,
  number: KeyNumber | 0,
  context: string,
): Buffer | undefined {
  return openBox(bytes, varintLength(number), key, rowAdditionalData(number, context));
}

/** Decrypts older data: the first of `boxes` (`legacyBoxes`) that opens with empty additional data, or `undefined`. */
export function openLegacy(boxes: readonly Uint8Array[], key: KeyMaterial): Buffer | undefined {
  for (const box of boxes) {
    const plaintext = openBox(box, 0, key, NO_ADDITIONAL_DATA);
    if (plaintext !== undefined) return plaintext;
  }
  return undefined;
}

/** For attempts that may fail: collecting the stack of Node's error takes twice as long as the cryptography. */
export function withoutStacks<T>(attempts: () => T): T {
  const limit = Error.stackTraceLimit;
  try {
    // In a hardened program Error may be frozen: Reflect.set then returns false and does not throw.
    Reflect.set(Error, 'stackTraceLimit', 0);
    return attempts();
  } finally {
    Reflect.set(Error, 'stackTraceLimit', limit);
  }
}

/** Throws `INVALID_CIPHERTEXT`, before any cryptography, for a value that is not bytes and for too few bytes. */
export function requireCiphertext(bytes: Uint8Array): void {
  if (!isUint8Array(bytes)) throw notBytes(bytes);
  if (bytes.length < MIN_CIPHERTEXT_BYTES) {
    throw new KeyRotationError(
      'INVALID_CIPHERTEXT',
      `The ciphertext is too short: expected at least ${MIN_CIPHERTEXT_BYTES} bytes, got ${bytes.length}. ` +
        'It was cut off, or was never a ciphertext: check the column that it comes from.',
    );
  }
}

export function notBytes(found: unknown): KeyRotationError {
  const advice =
    typeof found === 'string'
      ? 'A text column holds base64: rowFromText decodes it first.'
      : 'Leave NULL values out, and check what the database driver returns for the column.';
  return new KeyRotationError(
    'INVALID_CIPHERTEXT',
    `A ciphertext is bytes (Uint8Array or Buffer), got ${typeName(found)}. ${advice}`,
  );
}

function requirePlaintextBytes(plaintext: Uint8Array): void {
  if (isUint8Array(plaintext)) return;
  throw new KeyRotationError(
    'INVALID_TEXT',
    `The plaintext must be a string or bytes (Uint8Array or Buffer), got ${typeName(plaintext)}.`,
  );
}

/** What the tag covers beside the ciphertext: the bytes of the number, and the context. */
export function additionalData(number: KeyNumber | 0, context: string): Uint8Array {
  return Uint8Array.from(rowAdditionalData(number, context));
}

/** The additional data of the last row, because the rows of a column often have one context. */
let lastNumber: KeyNumber | 0 | undefined;
let lastContext = '';
let lastData: Uint8Array = NO_ADDITIONAL_DATA;

/** `additionalData`, valid until the next call. */
export function rowAdditionalData(number: KeyNumber | 0, context: string): Uint8Array {
  if (context === lastContext && number === lastNumber) return lastData;
  // A row that is re-encrypted has one context and two numbers.
  const isAsLong = lastNumber !== undefined && varintLength(number) === varintLength(lastNumber);
  // If this throws, the buffer is no longer that of `lastContext`.
  lastNumber = undefined;
  if (isAsLong && context === lastContext) writeVarint(lastData, number);
  else lastData = numberAndContext(number, context);
  lastContext = context;
  lastNumber = number;
  return lastData;
}

/** A buffer for each row costs more than filling this one with an ASCII context. */
const contextScratch = new Uint8Array(MAX_SCRATCH_BYTES);
const scratchOfLength: readonly Uint8Array[] = Array.from({ length: MAX_SCRATCH_BYTES + 1 }, (_, length) =>
  contextScratch.subarray(0, length),
);

/** Valid until the next call. */
function numberAndContext(number: KeyNumber | 0, context: string): Uint8Array {
  requireWellFormed(context, 'context');
  const start = varintLength(number);
  const data = scratchOfLength[start + context.length] ?? Buffer.allocUnsafe(start + context.length);
  writeVarint(data, number);
  for (let index = 0; index < context.length; index += 1) {
    const code = context.charCodeAt(index);
    if (code > 0x7f) return Buffer.concat([data.subarray(0, start), Buffer.from(context)]);
    data[start + index] = code;
  }
  return data;
}

function openBox(bytes: Uint8Array, start: number, key: KeyMaterial, additional: Uint8Array): Buffer | undefined {
  const encryptedStart = start + NONCE_BYTES;
  const tagStart = bytes.length - TAG_BYTES;
  if (tagStart < encryptedStart) return undefined;
  copy(bytes, start, NONCE_BYTES, nonceScratch, 0);
  copy(bytes, tagStart, TAG_BYTES, tagScratch, 0);
  const decipher = createDecipheriv(ALGORITHM, key.keyObject, nonceScratch, GCM_OPTIONS);
  decipher.setAAD(additional);
  decipher.setAuthTag(tagScratch);
  const plaintext = decipher.update(bytes.subarray(encryptedStart, tagStart));
  try {
    decipher.final();
  } catch {
    // Node's error says only 'unable to authenticate'.
    return undefined;
  }
  return plaintext;
}

/** For a dozen bytes a loop is cheaper than `set` and `subarray`. */
function copy(source: Uint8Array, start: number, length: number, target: Uint8Array, offset: number): void {
  for (let index = 0; index < length; index += 1) target[offset + index] = source[start + index] ?? 0;
}
