import { failedDecryption } from './failed-decryption.ts';
import type { KeyRotationError } from './error.ts';
import { ringClosed } from './limited-call.ts';
import { millisecondsSince, momentNow, type Moment, type RingClock } from './ring-clock.ts';
import type { RingKeeper } from './ring-keeper.ts';
import { openUnderNumber, type Row } from './open-at-hand.ts';
import { RowAttempts } from './row-attempts.ts';

/** Rows that no key at hand opens, forged ones too, cause at most one description in this time (milliseconds). */
const LOOKUP_INTERVAL = 3000;

/** How long a number that is not on the ring is taken for absent without asking again, in milliseconds. */
const ABSENT_MEMORY = 10_000;

/** Numbers remembered as absent; a storm of forged ones must not fill the memory. */
const MAX_ABSENT_NUMBERS = 1000;

/**
 * A description that was asked for this long before a row was handed in (milliseconds) counts as later than the row:
 * its writer took far longer from reading its own key's number to having the row stored and read.
 */
const HEAD_START = 10;

/** Looks for the key of rows that no key at hand opens, with a bounded number of calls for however many rows. */
export class RowSearch {
  readonly #keeper: RingKeeper;
  readonly #clock: RingClock;
  readonly #legacy: boolean;
  readonly #absent = new Map<number, Moment>();
  #lookedUpAt: Moment | undefined;
  #lookup: Promise<void> | undefined;
  #turn: Promise<void> | undefined;
  #background: Promise<void> | undefined;

  constructor(keeper: RingKeeper, clock: RingClock, legacy: boolean) {
    this.#keeper = keeper;
    this.#clock = clock;
    this.#legacy = legacy;
  }

  /**
   * Opens a row that `openAtHand` did not: with its number's own key by the last description; then, by a new one, with
   * that or with any key of the ring that is not at hand. Rejects as `failedDecryption` says.
   */
  async open(row: Row): Promise<Buffer> {
    const askedAt = momentNow(this.#clock);
    const attempts = new RowAttempts(row, this.#keeper, this.#legacy);
    const plaintext =
      (await attempts.withOwnKey()) ??
      (await this.#afterLookup(row, attempts)) ??
      (await this.#afterLaterLookup(row, attempts, askedAt)) ??
      openUnderNumber(row, this.#keeper.keys);
    if (plaintext !== undefined) return plaintext;
    if (this.#keeper.isClosed) throw ringClosed();
    this.#rememberAbsence(row);
    throw failedDecryption(attempts.outcome(this.#keeper.staleBecause));
  }

  /**
   * Why a row is not opened by what is at hand, as far as that can be said without asking AWS. Where its key may be had,
   * a search for it starts, so that another try a moment later succeeds; one such search at a time.
   */
  failureAtHand(row: Row): KeyRotationError {
    const attempts = new RowAttempts(row, this.#keeper, this.#legacy);
    const failure = failedDecryption(attempts.outcomeAtHand(this.#isUnknown(row)));
    if (failure.code === 'KEY_UNAVAILABLE' && this.#background === undefined) {
      this.#background = this.#searchInBackground(row);
    }
    return failure;
  }

  async #searchInBackground(row: Row): Promise<void> {
    try {
      await this.open(row);
    } catch {
      // Whoever tries again is told.
    } finally {
      this.#background = undefined;
    }
  }

  async #afterLookup(row: Row, attempts: RowAttempts): Promise<Buffer | undefined> {
    if (attempts.isDecided) return undefined;
    if (this.#needsLookup(row)) {
      if (this.#lookup !== undefined) await this.#lookup;
      else if (this.#pause() <= 0) await this.#lookUp();
    }
    return (await attempts.withOwnKey()) ?? (await attempts.withEveryKey());
  }

  /** For a number that the last description did not show, if it was asked for before the row was handed in. */
  async #afterLaterLookup(row: Row, attempts: RowAttempts, askedAt: Moment): Promise<Buffer | undefined> {
    const { staleBecause, describedAt } = this.#keeper;
    // Where AWS does not answer, waiting for the next turn would only make everybody slow.
    if (attempts.isDecided || !this.#isUnknown(row) || staleBecause !== undefined) return undefined;
    if (describedAt !== undefined && describedAt.monotonic >= askedAt.monotonic - HEAD_START) return undefined;
    await this.#nextTurn();
    await this.#lookUp();
    return (await attempts.withOwnKey()) ?? (await attempts.withEveryKey());
  }

  #needsLookup(row: Row): boolean {
    const { describedAt } = this.#keeper;
    if (this.#isUnknown(row) || describedAt === undefined) return true;
    return millisecondsSince(describedAt, this.#clock) >= LOOKUP_INTERVAL;
  }

  /** Whether the row names a number that is not on the ring, and that was not looked for just now. */
  #isUnknown({ number }: Row): boolean {
    if (number === undefined || number === 0 || this.#keeper.ring?.versionOf.has(number) === true) return false;
    const absentSince = this.#absent.get(number);
    return absentSince === undefined || millisecondsSince(absentSince, this.#clock) >= ABSENT_MEMORY;
  }

  #rememberAbsence(row: Row): void {
    const { ring, staleBecause } = this.#keeper;
    if (ring === undefined || staleBecause !== undefined || !this.#isUnknown(row) || row.number === undefined) return;
    if (this.#absent.size >= MAX_ABSENT_NUMBERS) this.#absent.clear();
    this.#absent.set(row.number, momentNow(this.#clock));
  }

  /** Milliseconds until the next lookup is free. */
  #pause(): number {
    return this.#lookedUpAt === undefined ? 0 : LOOKUP_INTERVAL - millisecondsSince(this.#lookedUpAt, this.#clock);
  }

  /** Resolves when the next lookup is free, or the ring is closed. */
  #nextTurn(): Promise<void> {
    this.#turn ??= this.#keeper.calls.pause(Math.max(0, this.#pause())).finally(() => {
      this.#turn = undefined;
    });
    return this.#turn;
  }

  /** A refresh for the sake of rows. What it found is with the keeper, why it failed too. */
  #lookUp(): Promise<void> {
    this.#lookup ??= this.#startLookup();
    return this.#lookup;
  }

  async #startLookup(): Promise<void> {
    this.#lookedUpAt = momentNow(this.#clock);
    try {
      await this.#keeper.refresh();
    } catch {
      // Kept by the keeper as `staleBecause`, or remembered with the version.
    } finally {
      this.#lookup = undefined;
    }
  }
}
