import type { ApplicationLog } from '../application-log.ts';
import { isKeyRotationError, KeyRotationError } from '../../format/error.ts';
import type { KeyMaterial } from '../../format/key-material.ts';
import { readKeyValue } from '../../format/key-value.ts';
import type { KeyCache } from '../key-cache.ts';
import type { TimedCalls } from './call-timeout.ts';
import { millisecondsSince, momentNow, type Moment, type RingClock } from '../clock.ts';
import type { RingLabels } from '../../format/ring-labels.ts';
import type { SecretSource, SecretVersion } from './secret-source.ts';
import { notTheService } from './source-error.ts';

/** Milliseconds before a version that could not be read is read again; doubled after each further failure. */
const FIRST_BACKOFF = 1000;

/** A whole ring takes three rounds. */
export const READ_TOGETHER = 6;

interface Failure {
  readonly error: KeyRotationError;
  readonly at: Moment;
  /** Milliseconds for which the failure is answered from memory. */
  readonly backoff: number;
}

export interface VersionReaderParts {
  readonly source: SecretSource;
  readonly calls: TimedCalls;
  readonly keys: KeyCache;
  readonly clock: RingClock;
  readonly log: ApplicationLog;
  readonly about: Readonly<Record<string, string>>;
  /** Milliseconds before a value that is not a key is read again, and between two log lines about one version. */
  readonly timeToLive: number;
}

/** Concurrent callers share one read per version. */
export class VersionReader {
  readonly #parts: VersionReaderParts;
  readonly #underWay = new Map<string, Promise<KeyMaterial>>();
  readonly #failures = new Map<string, Failure>();
  readonly #loggedAt = new Map<string, Moment>();

  constructor(parts: VersionReaderParts) {
    this.#parts = parts;
  }

  /** `INVALID_KEY_VALUE` is final; `CANNOT_REACH_AWS` and `AWS_REFUSED` are answered from memory for a short time. */
  key(versionId: string, labels: RingLabels): Promise<KeyMaterial> {
    const key = this.#parts.keys.ofVersion(versionId);
    if (key !== undefined) return Promise.resolve(key);
    const failure = this.#failures.get(versionId);
    if (failure !== undefined && this.#isFresh(failure)) return Promise.reject(failure.error);
    let reading = this.#underWay.get(versionId);
    if (reading === undefined) {
      reading = this.#read(versionId, labels).finally(() => this.#underWay.delete(versionId));
      this.#underWay.set(versionId, reading);
    }
    return reading;
  }

  failureOf(versionId: string): KeyRotationError | undefined {
    return this.#failures.get(versionId)?.error;
  }

  async #read(versionId: string, labels: RingLabels): Promise<KeyMaterial> {
    const { source, calls, keys, log, about, clock } = this.#parts;
    const startedAt = momentNow(clock);
    try {
      const answer = await calls.run('GetSecretValue', (signal) => source.read(versionId, signal));
      const key = keyOf(answer);
      this.#failures.delete(versionId);
      keys.add(key, versionId);
      // Number and value come from one answer.
      keys.setNumbersOf(versionId, answer.VersionStages ?? labels.stages[versionId] ?? []);
      log('encryption_key_fetched_from_aws', {
        ...about,
        version_id: versionId,
        key_number: keys.numberOfVersion(versionId),
      });
      return key;
    } catch (error) {
      throw this.#remember(versionId, labels, error, startedAt);
    }
  }

  #remember(versionId: string, labels: RingLabels, error: unknown, startedAt: Moment): KeyRotationError {
    const { clock, log, about, timeToLive } = this.#parts;
    const number = labels.numberOf.get(versionId);
    const found = isKeyRotationError(error)
      ? error
      : new KeyRotationError('AWS_REFUSED', 'the answer of Secrets Manager could not be understood');
    const named = new KeyRotationError(
      found.code,
      `${number === undefined ? 'The key' : `Key ${number}`} (version ${versionId}): ${found.message}`,
    );
    if (found.code === 'RING_CLOSED') return found;
    const backoff = this.#backoff(named, this.#failures.get(versionId), startedAt);
    this.#failures.set(versionId, { error: named, at: momentNow(clock), backoff });
    const loggedAt = this.#loggedAt.get(versionId);
    if (loggedAt === undefined || millisecondsSince(loggedAt, clock) >= timeToLive) {
      this.#loggedAt.set(versionId, momentNow(clock));
      log('ring_key_unreadable', {
        ...about,
        version_id: versionId,
        key_number: number ?? 0,
        code: named.code,
        reason: named.message,
      });
    }
    return named;
  }

  #isFresh({ at, backoff }: Failure): boolean {
    return millisecondsSince(at, this.#parts.clock) < backoff;
  }

  /** A call that hung backs off for as long as it took, so that the next row does not wait for another. */
  #backoff(error: KeyRotationError, last: Failure | undefined, startedAt: Moment): number {
    const { clock, calls, timeToLive } = this.#parts;
    // A value never changes: it is read again in case the reading was at fault.
    if (error.code === 'INVALID_KEY_VALUE') return timeToLive;
    const longest = Math.max(FIRST_BACKOFF, calls.limit);
    const next = last === undefined ? FIRST_BACKOFF : Math.min(longest, 2 * last.backoff);
    return Math.max(next, Math.min(longest, millisecondsSince(startedAt, clock)));
  }
}

function keyOf({ SecretString, SecretBinary }: SecretVersion): KeyMaterial {
  // A version always has a value, so this answer says nothing about the key.
  if (SecretString === undefined && SecretBinary === undefined) throw notTheService('GetSecretValue');
  return readKeyValue({ SecretString, SecretBinary }).key;
}
