import { MIN_CIPHERTEXT_BYTES, openLegacy, openNumbered, withoutStacks } from '../format/ciphertext.ts';
import type { ErrorCode } from '../format/error.ts';
import { failedDecryption } from '../keyring/failed-decryption.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { legacyBoxes } from '../format/legacy-forms.ts';
import { readVarint } from '../format/varint.ts';
import { rowOf, type Storage } from './stored-value.ts';
import type { OpeningKeys, RingKey } from './known-keys.ts';

/**
 * What a stored value is, proven by a tag that verified:
 *
 * - `numbered`: opened under `number` with that number's key, in `context`;
 * - `unnumbered`: under number 0, or under a number by a key that does not have it (a label moved by hand);
 * - `legacy`: data written before this system, which knows no context;
 * - `unreadable`: nothing opened it, for the reason that `code` gives.
 */
export type Attribution =
  | { readonly kind: 'numbered'; readonly number: KeyNumber; readonly context: string; readonly plaintext: Buffer }
  | { readonly kind: 'unnumbered'; readonly number: KeyNumber | 0; readonly plaintext: Buffer }
  | { readonly kind: 'legacy'; readonly number: KeyNumber | 0; readonly plaintext: Buffer }
  | { readonly kind: 'unreadable'; readonly code: ErrorCode }
  | { readonly kind: 'empty' };

/**
 * Opens a stored value with the keys of the ring. `contexts`: those that it may be in, the likely one first. A first
 * byte proves nothing (a legacy row looks like each number once in 256), so only what opens is attributed. `number` of
 * `unnumbered` and `legacy` is that of the key that opened it, 0 where that key has no number. `open`: for the key of a
 * row's own number.
 */
export function attribute(
  stored: string | Uint8Array,
  storage: Storage,
  contexts: readonly string[],
  keys: OpeningKeys,
  member?: string,
  open = openNumbered,
): Attribution {
  const bytes = rowOf(stored, storage, member);
  if (bytes.length === 0) return { kind: 'empty' };
  const row = { bytes, number: readVarint(bytes), contexts };
  return (
    openWithOwnKey(row, keys, open) ??
    withoutStacks(() => openWithAnyKey(row, keys)) ?? { kind: 'unreadable', code: whyUnreadable(row, keys) }
  );
}

export interface CandidateRow {
  readonly bytes: Uint8Array;
  readonly number: KeyNumber | 0 | undefined;
  readonly contexts: readonly string[];
}

function openWithOwnKey(row: CandidateRow, keys: OpeningKeys, open: typeof openNumbered): Attribution | undefined {
  const { bytes, number, contexts } = row;
  if (number === undefined || number === 0) return undefined;
  const key = keys.ofNumber(number);
  if (key === undefined) return undefined;
  for (const context of contexts) {
    const plaintext = open(bytes, key, number, context);
    if (plaintext !== undefined) return { kind: 'numbered', number, context, plaintext };
  }
  return undefined;
}

export function openWithAnyKey(row: CandidateRow, keys: OpeningKeys) {
  const boxes = legacyBoxes(row.bytes);
  return keys.inOrder.firstToOpen((key) => openUnderNumber(row, key) ?? openBefore(boxes, key));
}

function openUnderNumber({ bytes, number, contexts }: CandidateRow, ringKey: RingKey) {
  if (number === undefined) return undefined;
  for (const context of contexts) {
    const plaintext = openNumbered(bytes, ringKey.key, number, context);
    if (plaintext !== undefined) return { kind: 'unnumbered', number: ringKey.number, plaintext } as const;
  }
  return undefined;
}

function openBefore(boxes: readonly Uint8Array[], { key, number }: RingKey) {
  const plaintext = openLegacy(boxes, key);
  return plaintext === undefined ? undefined : ({ kind: 'legacy', number, plaintext } as const);
}

function whyUnreadable({ bytes, number }: CandidateRow, keys: OpeningKeys): ErrorCode {
  if (bytes.length < MIN_CIPHERTEXT_BYTES) return 'INVALID_CIPHERTEXT';
  const { isReplica, unread } = keys;
  // A census has one description only. A row that no key opens blocks `retire`, whatever its code.
  return failedDecryption({ number, labels: keys.ring, isReplica, mayBeIssued: false, unread, stale: undefined }).code;
}
