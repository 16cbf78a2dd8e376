import { isKeyRotationError, type KeyRotationError } from '../format/error.ts';
import { failedDecryption } from './failed-decryption.ts';
import { ringClosed } from './source/call-timeout.ts';
import { millisecondsSince, momentNow, type Moment, type RingClock } from './clock.ts';
import type { RingCache } from './ring-cache.ts';
import { NextNumber } from './next-number.ts';
import { openUnderNumber, type Row } from './row.ts';
import { notCachedError, RowAttempt } from './row-attempt.ts';

/** Milliseconds between two descriptions for rows that no cached key opens. Forged rows count, too. */
const LOOKUP_COOLDOWN = 3000;

/** Milliseconds for which a number that is not on the ring counts as absent. */
const NEGATIVE_CACHE_TTL = 10_000;

/** Bounds the memory that forged numbers take. */
const MAX_ABSENT_NUMBERS = 1000;

/** Milliseconds. A description requested just before the row arrives counts as later: storing the row took longer. */
const CLOCK_SLACK = 10;

const SEARCH = "the search for a row's key";

/** Bounds the calls to AWS, however many rows there are. All calls for one row share the time limit of one call. */
export class KeyLookup {
  readonly #cache: RingCache;
  readonly #clock: RingClock;
  readonly #legacy: boolean;
  readonly #next: NextNumber;
  readonly #absent = new Map<number, Moment>();
  #lookedUpAt: Moment | undefined;
  #lookup: Promise<void> | undefined;
  #turn: Promise<void> | undefined;
  #background: Promise<void> | undefined;

  constructor(cache: RingCache, clock: RingClock, legacy: boolean) {
    this.#cache = cache;
    this.#clock = clock;
    this.#legacy = legacy;
    this.#next = new NextNumber(cache, clock);
  }

  /** Tries the key of the row's number, a new description, then every key. Rejects as `failedDecryption` says. */
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
    throw this.#failure(row, attempts, stale);
  }

  /** Does not call AWS. Where the row's key may be in AWS, one search starts in the background. */
  openNow(row: Row): Buffer {
    const plaintext = openUnderNumber(row, this.#cache.keys);
    if (plaintext !== undefined) return plaintext;
    const attempts = new RowAttempt(row, this.#cache, this.#legacy);
    const isOpen = this.#isUnknown(row) || (this.#next.isOf(row) && this.#isOutdated());
    const failure = this.#failure(row, attempts, isOpen ? notCachedError('the number') : this.#cache.staleBecause);
    if (failure.code === 'KEY_UNAVAILABLE' && this.#background === undefined) {
      this.#background = this.#searchInBackground(row);
    }
    throw failure;
  }

  #failure(row: Row, attempts: RowAttempt, stale: KeyRotationError | undefined): KeyRotationError {
    return failedDecryption({ ...attempts.outcome(stale), mayBeIssued: this.#next.mayBeIssued(row) });
  }

  async #searchInBackground(row: Row): Promise<void> {
    try {
      await this.open(row);
    } catch {
      // The next try reports the reason.
    } finally {
      this.#background = undefined;
    }
  }

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

  async #withRing(attempts: RowAttempt, signal: AbortSignal): Promise<Buffer | undefined> {
    const { labels } = this.#cache;
    const plaintext = (await attempts.withOwnKey()) ?? (await attempts.withEveryKey(signal));
    if (plaintext !== undefined || signal.aborted || this.#cache.labels === labels) return plaintext;
    return this.#withRing(attempts, signal);
  }

  #needsLookup(row: Row): boolean {
    return this.#isUnknown(row) || this.#isOutdated();
  }

  #isOutdated(): boolean {
    const { describedAt } = this.#cache;
    return describedAt === undefined || millisecondsSince(describedAt, this.#clock) >= LOOKUP_COOLDOWN;
  }

  /** Waiting for AWS while it does not answer would slow every row. */
  #mayHaveCome(row: Row, attempts: RowAttempt, askedAt: Moment): boolean {
    const { staleBecause, describedAt } = this.#cache;
    if (attempts.isDecided || staleBecause !== undefined || !(this.#isUnknown(row) || this.#next.isOf(row)))
      return false;
    return describedAt === undefined || describedAt.monotonic < askedAt.monotonic - CLOCK_SLACK;
  }

  #isUnknown({ number }: Row): boolean {
    if (number === undefined || number === 0 || this.#cache.labels?.versionOf.has(number) === true) return false;
    const absentSince = this.#absent.get(number);
    return absentSince === undefined || millisecondsSince(absentSince, this.#clock) >= NEGATIVE_CACHE_TTL;
  }

  #rememberAbsence(row: Row): void {
    if (this.#cache.labels === undefined || row.number === undefined || !this.#isUnknown(row)) return;
    if (this.#absent.size >= MAX_ABSENT_NUMBERS) this.#absent.clear();
    this.#absent.set(row.number, momentNow(this.#clock));
  }

  #pause(): number {
    return this.#lookedUpAt === undefined ? 0 : LOOKUP_COOLDOWN - millisecondsSince(this.#lookedUpAt, this.#clock);
  }

  #nextTurn(): Promise<void> {
    this.#turn ??= this.#cache.calls.pause(Math.max(0, this.#pause())).finally(() => {
      this.#turn = undefined;
    });
    return this.#turn;
  }

  /** Joins a running lookup, but does not wait for it while AWS does not answer. */
  async #lookUpIfFree(): Promise<void> {
    if (this.#lookup === undefined && this.#pause() > 0) return;
    const lookup = this.#lookUp();
    if (this.#cache.staleBecause === undefined) await lookup;
  }

  #lookUp(): Promise<void> {
    this.#lookup ??= this.#startLookup();
    return this.#lookup;
  }

  async #startLookup(): Promise<void> {
    this.#lookedUpAt = momentNow(this.#clock);
    try {
      await this.#cache.refresh();
    } catch {
      // A lookup that hung has used up its own cooldown: without another one, the next would start at once.
      this.#lookedUpAt = momentNow(this.#clock);
    } finally {
      this.#lookup = undefined;
    }
  }
}
