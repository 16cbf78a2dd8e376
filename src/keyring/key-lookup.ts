import { isKeyRotationError, type KeyRotationError } from '../format/error.ts';
import { failedDecryption } from './failed-decryption.ts';
import { ringClosed } from './call-timeout.ts';
import { millisecondsSince, momentNow, type Moment, type RingClock } from './clock.ts';
import type { RingCache } from './ring-cache.ts';
import { openUnderNumber, type Row } from './row.ts';
import { notCachedError, RowAttempt } from './row-attempt.ts';

/** Rows that no key at hand opens, forged ones too, cause at most one description in this time (milliseconds). */
const LOOKUP_COOLDOWN = 3000;

/** How long a number that is not on the ring is taken for absent without asking again, in milliseconds. */
const NEGATIVE_CACHE_TTL = 10_000;

/** Numbers remembered as absent; a storm of forged ones must not fill the memory. */
const MAX_ABSENT_NUMBERS = 1000;

/**
 * A description that was asked for this long before a row was handed in (milliseconds) counts as later than the row:
 * its writer took far longer from reading its own key's number to having the row stored and read.
 */
const CLOCK_SLACK = 10;

/** What a search is called in an error. */
const SEARCH = "the search for a row's key";

/**
 * Looks for the key of rows that no key at hand opens, with a bounded number of calls for however many rows. All calls
 * of one row together have the time limit of one.
 */
export class KeyLookup {
  readonly #cache: RingCache;
  readonly #clock: RingClock;
  readonly #legacy: boolean;
  readonly #absent = new Map<number, Moment>();
  #lookedUpAt: Moment | undefined;
  #lookup: Promise<void> | undefined;
  #turn: Promise<void> | undefined;
  #background: Promise<void> | undefined;

  constructor(cache: RingCache, clock: RingClock, legacy: boolean) {
    this.#cache = cache;
    this.#clock = clock;
    this.#legacy = legacy;
  }

  /**
   * Opens a row that `openWithCachedKeys` did not: with its number's own key by the last description; then, by a new one, with
   * that or with any key of the ring that is not at hand. Rejects as `failedDecryption` says.
   */
  async open(row: Row): Promise<Buffer> {
    const attempts = new RowAttempt(row, this.#cache, this.#legacy);
    let endedEarly: KeyRotationError | undefined;
    let plaintext: Buffer | undefined;
    try {
      plaintext = await this.#search(row, attempts);
    } catch (error) {
      if (!isKeyRotationError(error)) throw error;
      endedEarly = error;
    }
    plaintext ??= attempts.withCachedKeys() ?? openUnderNumber(row, this.#cache.keys);
    if (plaintext !== undefined) return plaintext;
    if (this.#cache.isClosed) throw ringClosed();
    const stale = endedEarly ?? this.#cache.staleBecause;
    if (stale === undefined) this.#rememberAbsence(row);
    throw failedDecryption(attempts.outcome(stale));
  }

  /**
   * Opens a row with what is at hand, or throws as far as that can be said without asking AWS. Where its key may be had,
   * a search for it starts, so that another try a moment later succeeds; one such search at a time.
   */
  openNow(row: Row): Buffer {
    const plaintext = openUnderNumber(row, this.#cache.keys);
    if (plaintext !== undefined) return plaintext;
    const attempts = new RowAttempt(row, this.#cache, this.#legacy);
    const isOpen = this.#isUnknown(row) || (this.#isNext(row) && this.#isOutdated());
    const failure = failedDecryption(
      attempts.outcome(isOpen ? notCachedError('the number') : this.#cache.staleBecause),
    );
    if (failure.code === 'KEY_UNAVAILABLE' && this.#background === undefined) {
      this.#background = this.#searchInBackground(row);
    }
    throw failure;
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

  /** Rejects with `CANNOT_REACH_AWS` at the time limit, with `RING_CLOSED` where the ring is closed meanwhile. */
  async #search(row: Row, attempts: RowAttempt): Promise<Buffer | undefined> {
    const { calls } = this.#cache;
    const askedAt = momentNow(this.#clock);
    const plaintext = await calls.run(SEARCH, (signal) => this.#byThisDescription(row, attempts, signal));
    if (plaintext !== undefined || !this.#mayHaveCome(row, attempts, askedAt)) return plaintext;
    const timeLeft = calls.limit - (this.#clock.monotonic() - askedAt.monotonic);
    await this.#nextTurn();
    return calls.run(SEARCH, (signal) => this.#byNextDescription(attempts, signal), Math.max(1, timeLeft));
  }

  async #byThisDescription(row: Row, attempts: RowAttempt, signal: AbortSignal): Promise<Buffer | undefined> {
    const plaintext = await attempts.withOwnKey();
    if (plaintext !== undefined || attempts.isDecided || attempts.isOutOfReach || signal.aborted) return plaintext;
    if (this.#needsLookup(row)) await this.#lookUpIfFree();
    return this.#withRing(attempts, signal);
  }

  async #byNextDescription(attempts: RowAttempt, signal: AbortSignal): Promise<Buffer | undefined> {
    await this.#lookUp();
    return this.#withRing(attempts, signal);
  }

  /** By the last description, and by one that came meanwhile, for which nobody waited. */
  async #withRing(attempts: RowAttempt, signal: AbortSignal): Promise<Buffer | undefined> {
    const { labels } = this.#cache;
    const plaintext = (await attempts.withOwnKey()) ?? (await attempts.withEveryKey(signal));
    if (plaintext !== undefined || signal.aborted || this.#cache.labels === labels) return plaintext;
    return this.#withRing(attempts, signal);
  }

  #needsLookup(row: Row): boolean {
    return this.#isUnknown(row) || this.#isOutdated();
  }

  /** Whether the last description is older than the interval in which a row may ask for another one. */
  #isOutdated(): boolean {
    const { describedAt } = this.#cache;
    return describedAt === undefined || millisecondsSince(describedAt, this.#clock) >= LOOKUP_COOLDOWN;
  }

  /**
   * Whether the row's number may have come onto the ring after the last description was asked for, although that was
   * not before the row was handed in. Where AWS does not answer, waiting for the next one would only make everybody slow.
   */
  #mayHaveCome(row: Row, attempts: RowAttempt, askedAt: Moment): boolean {
    const { staleBecause, describedAt } = this.#cache;
    if (attempts.isDecided || staleBecause !== undefined || !(this.#isUnknown(row) || this.#isNext(row))) return false;
    return describedAt === undefined || describedAt.monotonic < askedAt.monotonic - CLOCK_SLACK;
  }

  /** Whether the row names a number that is not on the ring, and that was not looked for just now. */
  #isUnknown({ number }: Row): boolean {
    if (number === undefined || number === 0 || this.#cache.labels?.versionOf.has(number) === true) return false;
    const absentSince = this.#absent.get(number);
    return absentSince === undefined || millisecondsSince(absentSince, this.#clock) >= NEGATIVE_CACHE_TTL;
  }

  /**
   * Whether the row names the number that the next rotation gives. That it is absent is not believed for longer than
   * one description: a forged row with this number must not make the first rows of the new key 'never issued'.
   */
  #isNext({ number }: Row): boolean {
    return number !== undefined && number === (this.#cache.labels?.highestNumber ?? 0) + 1;
  }

  #rememberAbsence(row: Row): void {
    if (this.#cache.labels === undefined || row.number === undefined || !this.#isUnknown(row)) return;
    if (this.#absent.size >= MAX_ABSENT_NUMBERS) this.#absent.clear();
    this.#absent.set(row.number, momentNow(this.#clock));
  }

  /** Milliseconds until the next lookup is free. */
  #pause(): number {
    return this.#lookedUpAt === undefined ? 0 : LOOKUP_COOLDOWN - millisecondsSince(this.#lookedUpAt, this.#clock);
  }

  /** Resolves when the next lookup is free, or the ring is closed. */
  #nextTurn(): Promise<void> {
    this.#turn ??= this.#cache.calls.pause(Math.max(0, this.#pause())).finally(() => {
      this.#turn = undefined;
    });
    return this.#turn;
  }

  /** Has AWS asked again, or waits for whoever does; not where it did not answer the last time: then nobody waits. */
  async #lookUpIfFree(): Promise<void> {
    if (this.#lookup === undefined && this.#pause() > 0) return;
    const lookup = this.#lookUp();
    if (this.#cache.staleBecause === undefined) await lookup;
  }

  /** A refresh for the sake of rows. What it found is with the cache, why it failed too. */
  #lookUp(): Promise<void> {
    this.#lookup ??= this.#startLookup();
    return this.#lookup;
  }

  async #startLookup(): Promise<void> {
    this.#lookedUpAt = momentNow(this.#clock);
    try {
      await this.#cache.refresh();
    } catch {
      // Kept by the cache as `staleBecause`, or remembered with the version. One that hung has used up its interval,
      // and the next would begin at once.
      this.#lookedUpAt = momentNow(this.#clock);
    } finally {
      this.#lookup = undefined;
    }
  }
}
