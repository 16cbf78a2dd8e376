import { ignoreErrors, type ApplicationLog } from './application-log.ts';
import { EXAMPLE_KEY_REFUSED, isRefusedExample } from '../format/example-key.ts';
import { KeyRotationError } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { KeyCache } from './key-cache.ts';
import { TimedCalls, ringClosed } from './source/call-timeout.ts';
import { isOnRing, movedVersions, retiredVersions } from './departed-keys.ts';
import { millisecondsBetween, millisecondsSince, momentNow, type Moment, type RingClock } from './clock.ts';
import type { RingTimes } from './options.ts';
import { ringLabels, versionsInUse, type RingLabels } from '../format/ring-labels.ts';
import { isReplica, type SecretSource } from './source/secret-source.ts';
import { environmentKeys, type AwsSettings } from './settings.ts';
import { notTheService, sourceError } from './source/source-error.ts';
import { READ_TOGETHER, VersionReader } from './source/version-reader.ts';

const LONGEST_RETRY_PAUSE = 30_000;

export interface CurrentKey {
  readonly key: KeyMaterial;
  readonly number: KeyNumber | 0;
  readonly versionId: string;
  /** When the description that confirmed it was requested. */
  readonly confirmedAt: Moment;
}

export interface RingCacheParts {
  readonly settings: AwsSettings;
  readonly source: SecretSource;
  readonly times: RingTimes;
  readonly clock: RingClock;
  readonly random: () => number;
  readonly log: ApplicationLog;
  readonly onRefreshed: () => void;
}

/** While AWS does not answer, it keeps what it has and retries. The owner starts it with a first `refresh`. */
export class RingCache {
  readonly keys = new KeyCache();
  readonly calls: TimedCalls;
  readonly #parts: RingCacheParts;
  readonly #reader: VersionReader;
  readonly #about: Readonly<Record<string, string>>;
  #phase: 'opening' | 'fallen back' | 'open' | 'closed' = 'opening';
  #labels: RingLabels | undefined;
  #isReplica = false;
  #withoutLabel: ReadonlySet<string> = new Set();
  #describedAt: Moment | undefined;
  #staleBecause: KeyRotationError | undefined;
  #current: CurrentKey | undefined;
  #attemptedAt: Moment;
  #failureLoggedAt: Moment | undefined;
  #refreshing: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  /** Of the last finished refresh; `undefined` if it succeeded. */
  #failure: KeyRotationError | undefined;
  #lastError: KeyRotationError | undefined;
  #hasStopped = false;
  #isWarm = false;

  constructor(parts: RingCacheParts) {
    const { settings, source, times, clock, log } = parts;
    this.#parts = parts;
    this.#about = { secret_id: settings.secretId, environment: settings.environment };
    this.#attemptedAt = momentNow(clock);
    this.calls = new TimedCalls(clock, settings.secretId, times.callTimeLimit);
    this.#reader = new VersionReader({
      ...{ source, calls: this.calls, keys: this.keys, clock, log },
      about: this.#about,
      timeToLive: times.timeToLive,
    });
    for (const { key } of environmentKeys(settings)) this.keys.addOfEnvironment(key);
  }

  get labels(): RingLabels | undefined {
    return this.#labels;
  }

  get isReplica(): boolean {
    return this.#isReplica;
  }

  /** When the last received description was requested. */
  get describedAt(): Moment | undefined {
    return this.#describedAt;
  }

  get staleBecause(): KeyRotationError | undefined {
    return this.#staleBecause;
  }

  get maxKeyAge(): number {
    return this.#parts.times.maxKeyAge;
  }

  /** Milliseconds since AWS confirmed the current key; `undefined` before the first time. */
  get age(): number | undefined {
    return this.#current === undefined ? undefined : millisecondsSince(this.#current.confirmedAt, this.#parts.clock);
  }

  get lastError(): KeyRotationError | undefined {
    return this.#lastError;
  }

  get current(): CurrentKey | undefined {
    return this.#current;
  }

  /**
   * The key to encrypt with; `undefined` if AWS has never named one. Starts an overdue refresh, because timers stop in
   * a process that is frozen between requests. Throws `KEY_TOO_OLD`.
   */
  requireCurrent(wall: number, monotonic: number): CurrentKey | undefined {
    const current = this.#current;
    const { times } = this.#parts;
    const age = millisecondsBetween(current?.confirmedAt ?? this.#attemptedAt, wall, monotonic);
    if (age < times.timeToLive) return current;
    this.#refreshIfOverdue();
    if (current !== undefined && age >= times.maxKeyAge) throw this.#tooOld(current);
    return current;
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  key(versionId: string): Promise<KeyMaterial> {
    return this.isClosed ? Promise.reject(ringClosed()) : this.#reader.key(versionId, this.#labels ?? ringLabels());
  }

  failureOf(versionId: string): KeyRotationError | undefined {
    return this.#reader.failureOf(versionId);
  }

  /** Concurrent callers share one refresh. After a failed first one, none is scheduled: the ring is not open. */
  refresh(): Promise<void> {
    if (this.isClosed) return Promise.reject(ringClosed());
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async warm(): Promise<void> {
    this.#isWarm = true;
    if (this.#labels === undefined) await this.refresh().catch(() => undefined);
    await this.#fetchKeys();
  }

  /** Treats the ring as open after a failed first refresh, and keeps retrying. */
  fallBack(reason: KeyRotationError): void {
    this.#phase = 'fallen back';
    this.#lastError = reason;
    this.#failureLoggedAt = momentNow(this.#parts.clock);
    this.#parts.log('aws_unavailable_using_env_fallback', {
      ...this.#about,
      code: reason.code,
      reason: reason.message,
    });
    this.#scheduleRetry();
  }

  close(): void {
    if (this.isClosed) return;
    this.#phase = 'closed';
    this.#cancelTimer?.();
    this.calls.endAll();
    const { source } = this.#parts;
    ignoreErrors(() => source.close());
  }

  async #refresh(): Promise<void> {
    const startedAt = momentNow(this.#parts.clock);
    this.#attemptedAt = startedAt;
    this.#failure = undefined;
    try {
      const labels = await this.#describe(startedAt);
      if (labels.current === undefined) throw noCurrentKey(this.#parts.settings.secretId);
      const key = await this.#reader.key(labels.current, labels);
      if (isRefusedExample(key, this.#parts.settings.environment)) throw exampleKey(labels.current);
      const number = this.keys.numberOfVersion(labels.current);
      this.#succeeded({ key, number, versionId: labels.current, confirmedAt: startedAt });
    } catch (error) {
      throw this.#failed(sourceError('the current key', this.#parts.settings.secretId, error));
    }
  }

  async #describe(startedAt: Moment): Promise<RingLabels> {
    const { source, settings } = this.#parts;
    try {
      const description = await this.calls.run('DescribeSecret', (signal) => source.describe(signal));
      // Read as a secret without versions, this answer would take every number off the ring.
      const { ARN, VersionIdsToStages } = description;
      if (ARN === undefined && VersionIdsToStages === undefined) throw notTheService('DescribeSecret');
      if (description.DeletedDate !== undefined) throw deleted(settings.secretId);
      const labels = ringLabels(VersionIdsToStages);
      if (labels.current === undefined && this.#labels?.current !== undefined) throw lostCurrentKey(settings.secretId);
      const { Tags } = description;
      this.#takeOver(labels, retiredVersions(labels, Tags), movedVersions(labels, Tags));
      this.#isReplica = isReplica(description);
      this.#describedAt = startedAt;
      this.#staleBecause = undefined;
      return labels;
    } catch (error) {
      this.#staleBecause = sourceError('DescribeSecret', settings.secretId, error);
      throw this.#staleBecause;
    }
  }

  #takeOver(labels: RingLabels, retired: ReadonlyMap<string, number>, moved: ReadonlySet<string>): void {
    const departed = this.keys.versionIds.filter((versionId) => !isOnRing(versionId, labels));
    const events = departed.map((versionId) => {
      const number = retired.get(versionId);
      return number === undefined
        ? ({ event: 'ring_key_lost_label', versionId, number: this.keys.numberOfVersion(versionId) } as const)
        : ({ event: 'ring_key_forgotten', versionId, number } as const);
    });
    this.keys.setNumbers(labels, { retired, moved });
    this.#labels = labels;
    const known = this.#withoutLabel;
    this.#withoutLabel = new Set(departed);
    for (const { event, versionId, number } of events) {
      if (known.has(versionId) || (event === 'ring_key_lost_label' && moved.has(versionId))) continue;
      this.#parts.log(event, { ...this.#about, version_id: versionId, key_number: number });
    }
  }

  async #fetchKeys(): Promise<void> {
    const versionIds = this.#labels === undefined ? [] : versionsInUse(this.#labels);
    for (let start = 0; start < versionIds.length; start += READ_TOGETHER) {
      const group = versionIds.slice(start, start + READ_TOGETHER);
      await Promise.allSettled(group.map((versionId) => this.key(versionId)));
    }
  }

  #succeeded(current: CurrentKey): void {
    if (this.isClosed) return;
    this.#lastError = undefined;
    const { log, times, random, onRefreshed } = this.#parts;
    const wasFallenBack = this.#phase === 'fallen back';
    const hadFailed = this.#failureLoggedAt !== undefined;
    this.#current = current;
    this.#hasStopped = false;
    this.#phase = 'open';
    this.#failureLoggedAt = undefined;
    // Before the time to live ends, and not in step with processes that started at the same time.
    this.#schedule(times.timeToLive * (0.9 + 0.1 * random()));
    // Last, because the logger may close the ring.
    if (wasFallenBack) log('env_fallback_ended', this.#about);
    else if (hadFailed) log('key_ring_refreshed_again', this.#about);
    onRefreshed();
    if (this.#isWarm) void this.#fetchKeys();
  }

  #failed(error: KeyRotationError): KeyRotationError {
    if (this.#phase === 'opening' || this.isClosed) return error;
    const { clock, log, times } = this.#parts;
    this.#failure = error;
    this.#lastError = error;
    this.#scheduleRetry();
    if (this.#failureLoggedAt === undefined || millisecondsSince(this.#failureLoggedAt, clock) >= times.timeToLive) {
      this.#failureLoggedAt = momentNow(clock);
      log('key_ring_refresh_failed', {
        ...this.#about,
        ...(this.#current === undefined ? {} : { age_seconds: ageInSeconds(this.#current, clock) }),
        code: error.code,
        reason: error.message,
      });
    }
    return error;
  }

  #refreshIfOverdue(): void {
    const { clock, times } = this.#parts;
    if (millisecondsSince(this.#attemptedAt, clock) >= times.timeToLive) this.refresh().catch(() => undefined);
  }

  #tooOld(current: CurrentKey): KeyRotationError {
    const { clock, times, log } = this.#parts;
    const age = ageInSeconds(current, clock);
    const reason = this.#failure?.message ?? 'AWS is being asked now (did the process sleep?): await ring.refresh().';
    // Only after AWS was asked: a process that slept for a day is not an outage.
    if (this.#failure !== undefined && !this.#hasStopped) {
      this.#hasStopped = true;
      log('encryption_stopped', { ...this.#about, age_seconds: age, key_number: current.number, reason });
    }
    return new KeyRotationError(
      'KEY_TOO_OLD',
      `AWS Secrets Manager has not confirmed for ${age} seconds that the key is current. Without that, a key may ` +
        `encrypt for only ${Math.round(times.maxKeyAge / 1000)} seconds, because it may be retired. Decryption ` +
        `still works. ${reason}`,
    );
  }

  #scheduleRetry(): void {
    const { times, random } = this.#parts;
    const pause = Math.max(1000, Math.min(LONGEST_RETRY_PAUSE, times.timeToLive / 10));
    this.#schedule(pause * (0.9 + 0.1 * random()));
  }

  #schedule(milliseconds: number): void {
    this.#cancelTimer?.();
    const refresh = () => {
      this.refresh().catch(() => undefined);
    };
    this.#cancelTimer = this.#parts.clock.schedule(refresh, milliseconds, true);
  }
}

function ageInSeconds({ confirmedAt }: CurrentKey, clock: RingClock): number {
  return Math.round(millisecondsSince(confirmedAt, clock) / 1000);
}

function exampleKey(versionId: string): KeyRotationError {
  return new KeyRotationError('INVALID_KEY_VALUE', `The current key (version ${versionId}) ${EXAMPLE_KEY_REFUSED}`);
}

function noCurrentKey(secretId: string): KeyRotationError {
  return new KeyRotationError(
    'NO_CURRENT_KEY',
    `The secret '${secretId}' exists, but has no current key yet. Its first rotation makes one: wait for it, or ` +
      `start it with 'aws secretsmanager rotate-secret --secret-id ${secretId}'. Then open the ring again.`,
  );
}

/** A secret never loses its current key, so nothing in an answer without one is trusted. */
function lostCurrentKey(secretId: string): KeyRotationError {
  return new KeyRotationError(
    'NO_CURRENT_KEY',
    `The answer for the secret '${secretId}' names no current key, although an earlier one did, so it is not ` +
      'trusted. Check what answers in place of AWS Secrets Manager, and whether the secret was deleted and created ' +
      'again.',
  );
}

function deleted(secretId: string): KeyRotationError {
  return new KeyRotationError(
    'SECRET_DELETED',
    `The secret '${secretId}' is scheduled for deletion, and every key with it. Restore it at once with 'aws ` +
      `secretsmanager restore-secret --secret-id ${secretId}'.`,
  );
}
