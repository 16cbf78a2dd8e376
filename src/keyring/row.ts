import { openLegacy, openNumbered, requireCiphertext } from '../format/ciphertext.ts';
import type { KeyNumber } from '../format/key-number.ts';
import type { KeyCache } from './key-cache.ts';
import { legacyBoxes } from '../format/legacy-forms.ts';
import { readVarint } from '../format/varint.ts';
import { requireWellFormed } from '../format/well-formed.ts';

/** A ciphertext with its context, both checked. */
export interface Row {
  readonly bytes: Uint8Array;
  /** The number at its start; `undefined` if it starts with none. */
  readonly number: KeyNumber | 0 | undefined;
  readonly context: string;
}

/**
 * Throws `INVALID_CIPHERTEXT` for a value that is not bytes or has fewer than 28, and `INVALID_TEXT` for a context that
 * is not well-formed Unicode.
 */
export function readRow(bytes: Uint8Array, context: string): Row {
  requireCiphertext(bytes);
  requireWellFormed(context, 'context');
  return { bytes, number: readVarint(bytes), context };
}

/**
 * The first attempts of every decryption: the key that the number names; for number 0, every cached key; then, if
 * `legacy` is true, every cached key for data written before this system. Returns `undefined` if none opens the row.
 */
export function openWithCachedKeys(row: Row, keys: KeyCache, legacy: boolean): Buffer | undefined {
  const { bytes, number, context } = row;
  if (number !== undefined && number > 0) {
    const key = keys.ofNumber(number);
    const plaintext = key === undefined ? undefined : openNumbered(bytes, key, number, context);
    if (plaintext !== undefined) return plaintext;
  }
  return (number === 0 ? openUnderNumber(row, keys) : undefined) ?? (legacy ? openAsLegacy(bytes, keys) : undefined);
}

/** Tries every cached key under the row's number, even keys that have another number. */
export function openUnderNumber(row: Row, keys: KeyCache): Buffer | undefined {
  const { bytes, number, context } = row;
  if (number === undefined) return undefined;
  return keys.inOrder.firstToOpen((key) => openNumbered(bytes, key, number, context));
}

function openAsLegacy(bytes: Uint8Array, keys: KeyCache): Buffer | undefined {
  const boxes = legacyBoxes(bytes);
  return keys.inOrder.firstToOpen((key) => openLegacy(boxes, key));
}
