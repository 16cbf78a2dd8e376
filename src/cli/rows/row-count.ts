import { KeyRotationError } from '../../format/error.ts';
import type { KeyNumber } from '../../format/key-number.ts';
import type { CountedRows } from '../../format/retired-tag.ts';
import type { SkippedTable } from '../../postgres/find-columns.ts';
import type { UnreadKeys } from './unread-keys.ts';

/** Each row was counted only after it opened. */
export interface CensusResult {
  /** They open with the key of their number. */
  readonly rowsByNumber: ReadonlyMap<KeyNumber, number>;
  /** Their writer did not know the number of its key. */
  readonly rowsWithNumberZero: number;
  /** They open as data written before this system. */
  readonly legacyRows: number;
  /** With a ciphertext inside the plaintext, by the number of the key that opens it (0: a key without a number). */
  readonly nestedByNumber?: ReadonlyMap<number, number>;
  /** No key opens them. */
  readonly unattributableRows: number;
  /** When rows were last re-encrypted from a key, by its number, as far as that is known. */
  readonly reencryptedFrom?: ReadonlyMap<number, Date>;
  /** Such rows may open with these, which could not be read. */
  readonly unreadKeys?: readonly UnreadKeys[];
  readonly isComplete: boolean;
  /** Why some rows may not have been seen. */
  readonly unseen?: readonly string[];
  readonly counted: readonly CountedRows[];
  /** Columns that were not counted, and whose values look like ciphertexts. */
  readonly unlisted?: readonly string[];
  /** Tables that could not be searched for such columns, which the operator has accepted. */
  readonly skipped?: readonly SkippedTable[];
  /** Whether a crash of the server keeps what was counted. Default: true. */
  readonly isDurable?: boolean;
}

/** `numbers`: the keys in question. Throws `NO_CENSUS` if nothing says what to count. */
export type Census = (numbers: readonly KeyNumber[]) => Promise<CensusResult>;

export const noCensus: Census = () =>
  Promise.reject(
    new KeyRotationError(
      'NO_CENSUS',
      'No rows to count were named, so it is unknown which rows still need the key. Name the database ' +
        '(DATABASE_URL) and its columns (--columns columns.json, or --table and --column). To take the risk ' +
        'instead, pass --force and the number again.',
    ),
  );
