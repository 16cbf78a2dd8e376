import { TAG_BYTES } from '../format/ciphertext.ts';
import { momentNow, type Moment, type RingClock } from './clock.ts';
import type { RingCache } from './ring-cache.ts';
import type { Row } from './row.ts';

/** Milliseconds by which descriptions may lag behind a rotation. `GetSecretValue` may be faster. */
const DESCRIPTION_LAG = 30_000;

/** The oldest row is dropped, and gets its time again. */
const MAX_ROWS = 1000;

/**
 * Rows with the number that the next rotation gives. Such a row counts as unavailable until a description, asked for
 * `DESCRIPTION_LAG` after the row first came, does not show its number. The time counts for each row, so that an old
 * forged one does not use up that of a new key's first rows.
 */
export class NextNumber {
  readonly #cache: RingCache;
  readonly #clock: RingClock;
  readonly #firstSeen = new Map<string, Moment>();

  constructor(cache: RingCache, clock: RingClock) {
    this.#cache = cache;
    this.#clock = clock;
  }

  isOf({ number }: Row): boolean {
    return number !== undefined && number === (this.#cache.labels?.highestNumber ?? 0) + 1;
  }

  /** Whether the last description may be too old to show the row's number. Remembers the row. */
  mayBeIssued(row: Row): boolean {
    if (!this.isOf(row)) return false;
    const { describedAt } = this.#cache;
    return describedAt === undefined || describedAt.monotonic - this.#seen(row).monotonic < DESCRIPTION_LAG;
  }

  #seen({ bytes }: Row): Moment {
    // Rows differ in their tags.
    const name = Buffer.from(bytes.subarray(-TAG_BYTES)).toString('latin1');
    const known = this.#firstSeen.get(name);
    if (known !== undefined) return known;
    const [oldest] = this.#firstSeen.keys();
    if (oldest !== undefined && this.#firstSeen.size >= MAX_ROWS) this.#firstSeen.delete(oldest);
    const seen = momentNow(this.#clock);
    this.#firstSeen.set(name, seen);
    return seen;
  }
}
