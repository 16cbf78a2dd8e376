import { openLegacy, openNumbered, requireCiphertext, withoutStacks } from '../format/ciphertext.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import type { KeyCache } from './key-cache.ts';
import { legacyBoxes } from '../format/legacy-forms.ts';
import { readVarint } from '../format/varint.ts';
import { requireWellFormed } from '../format/well-formed.ts';

/** A ciphertext as it was given, checked at the door. */
export interface Row {
  readonly bytes: Uint8Array;
  /** The number at its start; `undefined` where it starts with none. */
  readonly number: KeyNumber | 0 | undefined;
  readonly context: string;
}

/**
 * Throws `INVALID_CIPHERTEXT` for what is no bytes or has fewer than 28 of them, `INVALID_TEXT` for a context that is no
 * well-formed Unicode.
 */
export function readRow(bytes: Uint8Array, context: string): Row {
  requireCiphertext(bytes);
  requireWellFormed(context, 'context');
  return { bytes, number: readVarint(bytes), context };
}

/**
 * The first attempts of every decryption: the key that the number names, under the number; where the number is 0, every
 * key under it; then, where `legacy` says so, every key as data written before this system. Gives `undefined` where
 * none opens the row.
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

/** Tries every key at hand under the row's own number, whatever key that number should name. */
export function openUnderNumber(row: Row, keys: KeyCache): Buffer | undefined {
  const { bytes, number, context } = row;
  if (number === undefined) return undefined;
  return withEachKey(keys, (key) => openNumbered(bytes, key, number, context));
}

function openAsLegacy(bytes: Uint8Array, keys: KeyCache): Buffer | undefined {
  const boxes = legacyBoxes(bytes);
  return withEachKey(keys, (key) => openLegacy(boxes, key));
}

function withEachKey(keys: KeyCache, open: (key: KeyMaterial) => Buffer | undefined): Buffer | undefined {
  return withoutStacks(() => {
    for (const key of keys.inOrder) {
      const plaintext = open(key);
      if (plaintext !== undefined) {
        keys.putFirst(key);
        return plaintext;
      }
    }
    return undefined;
  });
}
