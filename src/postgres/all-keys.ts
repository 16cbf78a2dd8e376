import { versionsInUse } from '../format/ring-labels.ts';
import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { readKeyValue } from '../format/key-value.ts';
import type { ApplicationLog } from '../keyring/application-log.ts';
import { UsageCounter, type KeyUsage } from '../keyring/telemetry/key-usage.ts';
import { TimedCalls } from '../keyring/source/call-timeout.ts';
import { millisecondsSince, momentNow, systemClock, type Moment, type RingClock } from '../keyring/clock.ts';
import { ringLabels, type RingLabels } from '../format/ring-labels.ts';
import { isReplica, type SecretSource } from '../keyring/source/secret-source.ts';
import { KnownKeys, type TargetKey } from './known-keys.ts';

/** Milliseconds that one call to AWS may take, its retries included. */
const CALL_TIME_LIMIT = 10_000;

/** Read from AWS itself: never the environment's key, never one that is only pending. */
export class RingKeys {
  readonly secretId: string;
  readonly #source: SecretSource;
  readonly #clock: RingClock;
  readonly #calls: TimedCalls;
  readonly #usage: UsageCounter;
  readonly #keyOf = new Map<string, KeyMaterial>();
  readonly #unread = new Map<string, KeyRotationError>();
  #known = new KnownKeys({ ring: ringLabels(), isReplica: false, unread: new Map(), byVersion: new Map() });
  #confirmedAt: Moment;

  private constructor(source: SecretSource, secretId: string, clock: RingClock, log: ApplicationLog) {
    this.#source = source;
    this.secretId = secretId;
    this.#clock = clock;
    this.#calls = new TimedCalls(clock, secretId, CALL_TIME_LIMIT);
    this.#usage = new UsageCounter(log, { secret_id: secretId }, clock);
    this.#confirmedAt = momentNow(clock);
  }

  /** Rejects with `CANNOT_REACH_AWS`, `SECRET_NOT_FOUND`, `AWS_REFUSED`, … `log` gets `key_usage`. */
  static async open(
    source: SecretSource,
    secretId: string,
    clock: RingClock = systemClock,
    log: ApplicationLog = () => undefined,
  ): Promise<RingKeys> {
    const keys = new RingKeys(source, secretId, clock, log);
    await keys.refresh();
    return keys;
  }

  /** A version that cannot be read is kept in `unread`: what only it would open was not tampered with. */
  async refresh(): Promise<void> {
    const askedAt = momentNow(this.#clock);
    const description = await this.#calls.run('DescribeSecret', (signal) => this.#source.describe(signal));
    if (description.DeletedDate !== undefined) {
      throw new KeyRotationError(
        'SECRET_DELETED',
        `The secret '${this.secretId}' is scheduled for deletion, and its keys cannot be read. Restore it (RestoreSecret), then run this again.`,
      );
    }
    const ring = ringLabels(description.VersionIdsToStages);
    for (const versionId of versionsInUse(ring)) await this.#read(versionId);
    this.#known = new KnownKeys({
      ring,
      isReplica: isReplica(description),
      unread: this.#unread,
      byVersion: this.#keyOf,
    });
    this.#confirmedAt = askedAt;
  }

  get known(): KnownKeys {
    return this.#known;
  }

  get ring(): RingLabels {
    return this.#known.ring;
  }

  get isReplica(): boolean {
    return this.#known.isReplica;
  }

  get unread(): ReadonlyMap<string, KeyRotationError> {
    return this.#known.unread;
  }

  get age(): number {
    return millisecondsSince(this.#confirmedAt, this.#clock);
  }

  get inOrder(): KnownKeys['inOrder'] {
    return this.#known.inOrder;
  }

  ofNumber(number: KeyNumber): KeyMaterial | undefined {
    return this.#known.ofNumber(number);
  }

  /** Throws `NO_CURRENT_KEY`, `CURRENT_KEY_UNNUMBERED`, `INVALID_KEY_VALUE`, or why it cannot be read. */
  requireTarget(): TargetKey {
    const { current, numberOf } = this.ring;
    if (current === undefined) {
      throw new KeyRotationError(
        'NO_CURRENT_KEY',
        `The secret '${this.secretId}' has no current key to encrypt with. Its first rotation makes one (pazpaz-keys rotate).`,
      );
    }
    const number = numberOf.get(current);
    if (number === undefined) {
      const why = this.#unread.get(current);
      if (why !== undefined) throw why.code === 'INVALID_KEY_VALUE' ? holdsNoKey(current) : why;
      throw new KeyRotationError(
        'CURRENT_KEY_UNNUMBERED',
        `The current key (version ${current}) has no number yet, and rows are never re-encrypted under number 0. Number it first: pazpaz-keys adopt.`,
      );
    }
    const key = this.#keyOf.get(current);
    if (key === undefined) throw this.#unread.get(current) ?? new KeyRotationError('VERSION_UNREADABLE', current);
    return { number, key };
  }

  get target(): TargetKey | undefined {
    return this.#known.target;
  }

  /** Counts one encryption with the target key. Throws `KEY_EXHAUSTED` past 2^32 in this process. */
  countEncryption({ number }: TargetKey): void {
    const count = this.#usage.of(this.ring.versionOf.get(number), number);
    count.encryptions += 1;
    if (count.encryptions >= count.nextReport) this.#usage.reached(count);
  }

  /** How often this process has encrypted with each key. Batches that were undone count, since their nonces were used. */
  usage(): readonly KeyUsage[] {
    return this.#usage.usage();
  }

  reportUsage(): void {
    this.#usage.reportAll();
  }

  async #read(versionId: string): Promise<void> {
    if (this.#keyOf.has(versionId)) return;
    try {
      const value = await this.#calls.run('GetSecretValue', (signal) => this.#source.read(versionId, signal));
      const { SecretString, SecretBinary } = value;
      this.#keyOf.set(versionId, readKeyValue({ SecretString, SecretBinary }).key);
      this.#unread.delete(versionId);
    } catch (error) {
      if (!isKeyRotationError(error)) throw error;
      this.#unread.set(versionId, error);
    }
  }
}

function holdsNoKey(current: string): KeyRotationError {
  return new KeyRotationError(
    'INVALID_KEY_VALUE',
    `The current version (${current}) holds no key, so rows cannot be re-encrypted. Make the previous key current again ` +
      'first: pazpaz-keys rollback (pazpaz-keys status says if another key is needed).',
  );
}
