import type { ApplicationLog } from './application-log.ts';
import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import { readKeyValue } from '../format/key-value.ts';
import type { KeyCache } from './key-cache.ts';
import type { TimedCalls } from './call-timeout.ts';
import { millisecondsSince, momentNow, type Moment, type RingClock } from './clock.ts';
import type { RingLabels } from '../format/ring-labels.ts';
import type { SecretSource, SecretVersion } from './secret-source.ts';
import { notTheService } from './source-error.ts';

/** Milliseconds before a version that could not be read is read again; twice as long after each further failure. */
const FIRST_BACKOFF = 1000;

interface Failure {
  readonly error: KeyRotationError;
  readonly at: Moment;
  /** Milliseconds from `at` on in which the failure is answered from memory. */
  readonly backoff: number;
}

/** What a reader of versions needs. */
export interface VersionReaderParts {
  readonly source: SecretSource;
  readonly calls: TimedCalls;
  readonly keys: KeyCache;
  readonly clock: RingClock;
  readonly log: ApplicationLog;
  /** Stands in every line of the log. */
  readonly about: Readonly<Record<string, string>>;
  /** How long a value that is no key is let be, and between two lines of the log on one version, in milliseconds. */
  readonly timeToLive: number;
}

/** Reads the versions of a secret, each once however many ask for it, and keeps their keys at hand. */
export class VersionReader {
  readonly #parts: VersionReaderParts;
  readonly #underWay = new Map<string, Promise<KeyMaterial>>();
  readonly #failures = new Map<string, Failure>();
  readonly #loggedAt = new Map<string, Moment>();

  constructor(parts: VersionReaderParts) {
    this.#parts = parts;
  }

  /**
   * The key of a version: at hand, or read now. Rejects with `INVALID_KEY_VALUE`, which is for good, or with what
   * stands in the way now (`CANNOT_REACH_AWS`, `AWS_REFUSED`), which is answered from memory for a short time.
   */
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

  /** Why a version could not be read when it was last tried; `undefined` where it could, or nobody tried. */
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
      // Number and value come from one answer; labels that are attached later come with the next description.
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

  /** A call that hung rests as long as it took: otherwise one row after the other would wait for the next one. */
  #backoff(error: KeyRotationError, last: Failure | undefined, startedAt: Moment): number {
    const { clock, calls, timeToLive } = this.#parts;
    // A value never changes, so one that is no key is looked at again only in case our own reading was at fault.
    if (error.code === 'INVALID_KEY_VALUE') return timeToLive;
    const longest = Math.max(FIRST_BACKOFF, calls.limit);
    const next = last === undefined ? FIRST_BACKOFF : Math.min(longest, 2 * last.backoff);
    return Math.max(next, Math.min(longest, millisecondsSince(startedAt, clock)));
  }
}

function keyOf({ SecretString, SecretBinary }: SecretVersion): KeyMaterial {
  // Secrets Manager has no version without a value to read, so this is no word on the key: it is asked for again soon.
  if (SecretString === undefined && SecretBinary === undefined) throw notTheService('GetSecretValue');
  return readKeyValue({ SecretString, SecretBinary }).key;
}
