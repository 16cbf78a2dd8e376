import { endedWith } from '../connection/database-error.ts';
import type { BatchResult, Range } from './ranges.ts';

/** How often a row alone must end its session or statement: an administrator ends one, too. */
const MOST_ENDS = 3;

type Place = Pick<Range, 'n' | 'reached' | 'again'>;

interface Suspect {
  readonly place: string;
  /** One of so many rows from there ends what writes it. */
  readonly rows: number;
  readonly ends: number;
  readonly state: string;
}

/**
 * Batches whose session or statement the server ended while they were written, or that it would not commit, although it
 * works on: a trigger may do so for one row. They are halved until that row is found, which is then left.
 */
export class EndedBatches {
  readonly #suspects = new Map<number, Suspect>();

  /** How many rows a batch may have from there. `leave`: the SQLSTATE with which the only one is left. */
  limit(range: Range, rows: number): { readonly rows: number; readonly leave?: string } {
    const suspect = this.#at(range);
    if (suspect === undefined) return { rows };
    if (suspect.rows === 1 && suspect.ends >= MOST_ENDS) return { rows: 1, leave: suspect.state };
    return { rows: Math.min(rows, Math.ceil(suspect.rows / 2)) };
  }

  /**
   * Whether `error` ended a batch of so many rows, and it is to be tried again with fewer, or without its only one.
   * `isLeft`: that one was not written, so what is done to it has not ended the batch. Several workers may have tried it.
   */
  add(range: Range, { rows, isLeft }: { readonly rows: number; readonly isLeft: boolean }, error: unknown): boolean {
    const state = endedWith(error);
    if (state === undefined || rows === 0 || isLeft) return false;
    const ends = rows === 1 ? (this.#at(range)?.ends ?? 0) + 1 : 0;
    this.#suspects.set(range.n, { place: placeOf(range), rows, ends, state });
    return true;
  }

  done({ range, reached, again, rows }: BatchResult): void {
    const suspect = this.#at(range);
    if (suspect === undefined) return;
    if (suspect.rows <= rows) this.#suspects.delete(range.n);
    else {
      const place = placeOf({ n: range.n, reached, again });
      this.#suspects.set(range.n, { ...suspect, place, rows: suspect.rows - rows, ends: 0 });
    }
  }

  /** None where another process has worked on the range since. */
  #at(range: Range): Suspect | undefined {
    const suspect = this.#suspects.get(range.n);
    return suspect?.place === placeOf(range) ? suspect : undefined;
  }
}

function placeOf({ n, reached, again }: Place): string {
  return JSON.stringify([n, reached, again]);
}
