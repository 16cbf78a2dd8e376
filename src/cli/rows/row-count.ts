import { KeyRotationError } from '../../format/error.ts';
import type { KeyNumber } from '../../format/key-number.ts';
import type { CountedRows } from '../../format/retired-tag.ts';
import type { SkippedTable } from '../../postgres/find-columns.ts';

/** What the stored rows need. Each was counted only after it opened. */
export interface CensusResult {
  /** Rows that open with the key of their number. */
  readonly rowsByNumber: ReadonlyMap<KeyNumber, number>;
  /** Rows with number 0: their writer did not know the number of its key. */
  readonly rowsWithNumberZero: number;
  /** Rows that open as data written before this system. */
  readonly legacyRows: number;
  /** Rows with a ciphertext inside their plaintext, by the number of the key that opens it (0: a key without a number). */
  readonly nestedByNumber?: ReadonlyMap<number, number>;
  /** Rows that no key opens. */
  readonly unattributableRows: number;
  /** Whether it saw every row. */
  readonly isComplete: boolean;
  /** Why it may not have seen some. */
  readonly unseen?: readonly string[];
  /** The columns that were counted, with all of their rows. */
  readonly counted: readonly CountedRows[];
  /** Columns that were not counted, and whose values look like ciphertexts. */
  readonly unlisted?: readonly string[];
  /** Tables that could not be looked at for such columns, which the operator has accepted. */
  readonly skipped?: readonly SkippedTable[];
}

/** Counts the rows. `numbers` are the keys in question. Throws `NO_CENSUS` if nothing says what to count. */
export type Census = (numbers: readonly KeyNumber[]) => Promise<CensusResult>;

/** The answer of a census if nothing says which rows to count. */
export const noCensus: Census = () =>
  Promise.reject(
    new KeyRotationError(
      'NO_CENSUS',
      'No rows to count were named, so it is unknown which rows still need the key. Name the database ' +
        '(DATABASE_URL) and its columns (--columns columns.json, or --table and --column). To take the risk ' +
        'instead, pass --force and the number again.',
    ),
  );
