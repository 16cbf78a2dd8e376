import type { ApplicationLog } from '../application-log.ts';
import { millisecondsSince, momentNow, type Moment, type RingClock } from '../clock.ts';
import { KeyRotationError } from '../../format/error.ts';

/** How often a key has encrypted since the ring was opened. */
export interface KeyUsage {
  /** 0 if the number was not known, and for the environment's key. */
  readonly keyNumber: number;
  /** Absent for the environment's key. */
  readonly versionId?: string;
  /** A key may encrypt 2^32 times in all processes together (NIST SP 800-38D, section 8.3). */
  readonly encryptions: number;
}

/** Numbers of encryptions: when the log first reports a key, and after how many the key must not encrypt. */
export const USAGE_LIMITS = { firstReport: 2 ** 28, last: 2 ** 32 };

/** The log also reports a key daily and at closing, if at least this many encryptions were added. */
export const FEWEST_REPORTED = 1000;

const DAY = 24 * 3_600_000;

/** A writer adds to `encryptions` and compares it with `nextReport`. */
export interface KeyCount {
  number: number;
  readonly versionId: string | undefined;
  encryptions: number;
  nextReport: number;
  reported: number;
}

/** Logs the encryptions as `key_usage` (docs/adr/0010-what-a-ring-asks-and-says.md). */
export class UsageCounter {
  readonly #counts = new Map<string | undefined, KeyCount>();
  readonly #log: ApplicationLog;
  readonly #about: Readonly<Record<string, string>>;
  readonly #clock: RingClock;
  #reportedAt: Moment;

  constructor(log: ApplicationLog, about: Readonly<Record<string, string>>, clock: RingClock) {
    this.#log = log;
    this.#about = about;
    this.#clock = clock;
    this.#reportedAt = momentNow(clock);
  }

  /** `versionId`: `undefined` for the environment's key. Throws `KEY_EXHAUSTED` at 2^32. */
  of(versionId: string | undefined, number: number): KeyCount {
    const known = this.#counts.get(versionId);
    const count = known ?? { number, versionId, encryptions: 0, nextReport: USAGE_LIMITS.firstReport, reported: 0 };
    if (this.isExhausted(versionId)) throw exhausted(number);
    count.number = number;
    this.#counts.set(versionId, count);
    return count;
  }

  isExhausted(versionId: string | undefined): boolean {
    return (this.#counts.get(versionId)?.encryptions ?? 0) >= USAGE_LIMITS.last;
  }

  usage(): readonly KeyUsage[] {
    return [...this.#counts.values()].map(({ number, versionId, encryptions }) => ({
      keyNumber: number,
      ...(versionId === undefined ? {} : { versionId }),
      encryptions,
    }));
  }

  /** The next report comes at twice as many. */
  reached(count: KeyCount): void {
    count.nextReport *= 2;
    this.#report(count);
    if (count.encryptions >= USAGE_LIMITS.last) {
      const { number, versionId } = count;
      this.#log('key_exhausted', { ...this.#about, key_number: number, ...(versionId && { version_id: versionId }) });
    }
  }

  reportDaily(): void {
    if (millisecondsSince(this.#reportedAt, this.#clock) >= DAY) this.reportAll();
  }

  reportAll(): void {
    this.#reportedAt = momentNow(this.#clock);
    for (const count of this.#counts.values()) {
      if (count.encryptions - count.reported >= FEWEST_REPORTED) this.#report(count);
    }
  }

  #report(count: KeyCount): void {
    const { number, versionId, encryptions, reported } = count;
    count.reported = encryptions;
    this.#log('key_usage', {
      ...this.#about,
      key_number: number,
      ...(versionId === undefined ? {} : { version_id: versionId }),
      encryptions,
      encryptions_added: encryptions - reported,
    });
  }
}

function exhausted(number: number): KeyRotationError {
  return new KeyRotationError(
    'KEY_EXHAUSTED',
    `This process has encrypted 2^32 times with ${number === 0 ? 'the current key' : `key ${number}`}, which is the ` +
      'limit of AES-GCM with random nonces (NIST SP 800-38D, section 8.3). Rotate the key now ' +
      '(aws secretsmanager rotate-secret, or pazpaz-keys rotate), then await ring.refresh(). Decryption still works.',
  );
}
