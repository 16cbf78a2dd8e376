import { openLegacy, openNumbered, requireCiphertext } from '../format/ciphertext.ts';
import type { KeyNumber } from '../format/key-number.ts';
import type { KeyCache } from './key-cache.ts';
import { legacyBoxes } from '../format/legacy-forms.ts';
import { readVarint } from '../format/varint.ts';
import { requireWellFormed } from '../format/well-formed.ts';

/** Both checked. */
export interface Row {
  readonly bytes: Uint8Array;
  /** `undefined` if the row starts with no number. */
  readonly number: KeyNumber | 0 | undefined;
  readonly context: string;
}

/** Throws `INVALID_CIPHERTEXT` for fewer than 28 bytes or no bytes, and `INVALID_TEXT` for a malformed context. */
export function readRow(bytes: Uint8Array, context: string): Row {
  requireCiphertext(bytes);
  requireWellFormed(context, 'context');
  return { bytes, number: readVarint(bytes), context };
}

/**
 * The first attempts of every decryption: the key that the number names; for number 0, every cached key; then, if
 * `legacy`, every cached key for older data. Returns `undefined` if none opens the row.
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

/** Tries even keys that have another number. */
export function openUnderNumber(row: Row, keys: KeyCache): Buffer | undefined {
  const { bytes, number, context } = row;
  if (number === undefined) return undefined;
  return keys.inOrder.firstToOpen((key) => openNumbered(bytes, key, number, context));
}

function openAsLegacy(bytes: Uint8Array, keys: KeyCache): Buffer | undefined {
  const boxes = legacyBoxes(bytes);
  return keys.inOrder.firstToOpen((key) => openLegacy(boxes, key));
}
