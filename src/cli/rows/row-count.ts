import { KeyRotationError } from '../../format/error.ts';
import type { KeyNumber } from '../../format/key-number.ts';
import type { CountedRows } from '../../format/retired-tag.ts';

/** What rows at rest still need, each counted only after it was opened. */
export interface CensusResult {
  /** Rows that open with the key of their number. */
  readonly rowsByNumber: ReadonlyMap<KeyNumber, number>;
  /** Rows with number 0: their writer did not know the number of its key. */
  readonly rowsWithNumberZero: number;
  /** Rows that open as data written before this system. */
  readonly legacyRows: number;
  /** Rows whose plaintext has a ciphertext in it, by the number of the key that opens that (0: it has none). */
  readonly nestedByNumber?: ReadonlyMap<number, number>;
  /** Rows that open with nothing. */
  readonly unattributableRows: number;
  /** Whether it saw every row. */
  readonly isComplete: boolean;
  /** The columns that were counted, with all of their rows. */
  readonly counted: readonly CountedRows[];
}

/** Counts the rows; `numbers` are the keys that it is asked for. Throws `NO_CENSUS` where nothing says what to count. */
export type Census = (numbers: readonly KeyNumber[]) => Promise<CensusResult>;

/** What a census answers where nothing says which rows to count. */
export const noCensus: Census = () =>
  Promise.reject(
    new KeyRotationError(
      'NO_CENSUS',
      'Nothing says which rows to count, so nobody knows which still need the key. Name the database (DATABASE_URL) and its columns (--columns columns.json, or --table and --column); or say --force and its number again, and take the risk.',
    ),
  );
