import { applicationLog, jsonLinesToStandardError } from './application-log.ts';
import { openRing, type OpenedRing } from './open-ring.ts';
import { notBytes, seal } from '../format/ciphertext.ts';
import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import { failedWithEnvironmentKeys } from './failed-decryption.ts';
import { textOf } from '../format/field.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { KeyCache } from './key-cache.ts';
import { ringClosed } from './source/call-timeout.ts';
import { pooledNonce } from '../format/nonce.ts';
import type { NonceSource } from '../format/nonce.ts';
import { openWithCachedKeys, openUnderNumber, readRow, type Row } from './row.ts';
import { systemClock, type RingClock } from './clock.ts';
import type { CurrentKey } from './ring-cache.ts';
import { ringTimes, type KeyRingOptions } from './options.ts';
import { UsageCounter, type KeyCount, type KeyUsage } from './telemetry/key-usage.ts';
import { measure } from './telemetry/ring-meter.ts';
import {
  closedHealth,
  environmentHealth,
  ringHealth,
  type EnvironmentNumbers,
  type RingHealth,
} from './telemetry/ring-health.ts';
import {
  environmentKeys,
  loadSettings,
  requireSettings,
  writingKey,
  type EnvironmentKey,
  type Settings,
} from './settings.ts';
import { refuseTestKeysOutsideTests, TestKeys } from './source/test-keys.ts';

/** A constructor cannot wait for a key, so only `open` has this. */
const FROM_OPEN = Symbol('KeyRing.open');

const TEST_SETTINGS: Settings = {
  keySource: 'aws',
  environment: 'local',
  region: 'us-east-1',
  secretId: 'test-keys',
  environmentKey: undefined,
};

/** A ciphertext and its context, for `decryptFields`. */
export interface EncryptedField {
  readonly bytes: Uint8Array;
  /** Default: empty. */
  readonly context?: string;
}

/** The result for one of many fields: its text, or why it could not be decrypted. */
export type DecryptedField = { readonly text: string } | { readonly error: KeyRotationError };

/**
 * The keys of an application. It encrypts with the current key and decrypts with all of them. While AWS does not answer,
 * it keeps using the cached keys and retries: decryption never stops, encryption stops when AWS has not confirmed the
 * current key for `maxKeyAge`. The environment's key encrypts only until AWS returns a key.
 *
 * The methods need no `this`: `const { encryptField, decryptField } = ring` works and always uses the newest key.
 */
export class KeyRing {
  #keys: KeyCache;
  #aws: OpenedRing | undefined;
  readonly #environmentNumbers: EnvironmentNumbers;
  #writingKey: EnvironmentKey | undefined;
  readonly #isLegacyRead: boolean;
  readonly #nonces: NonceSource;
  readonly #clock: RingClock;
  readonly #counter: UsageCounter;
  readonly #endMeasuring: (() => void) | undefined;
  #writer: Writer | undefined;
  #isClosed = false;

  private constructor(
    caller: symbol,
    settings: Settings,
    aws: OpenedRing | undefined,
    counter: UsageCounter | undefined,
    options: KeyRingOptions,
  ) {
    if (caller !== FROM_OPEN || counter === undefined) {
      throw new KeyRotationError('INVALID_SETTINGS', 'Open a key ring with await KeyRing.open(), not with new.');
    }
    this.#writingKey = writingKey(settings);
    this.#aws = aws;
    this.#keys = aws?.cache.keys ?? new KeyCache();
    const keys = environmentKeys(settings);
    this.#environmentNumbers = { numbers: keys.map(({ number }) => number), writing: this.#writingKey?.number };
    if (aws === undefined) for (const { key, number } of keys) this.#keys.addOfEnvironment(key, number);
    this.#isLegacyRead = options.legacy ?? true;
    this.#nonces = options.nonces ?? pooledNonce;
    this.#clock = options.clock ?? systemClock;
    this.#counter = counter;
    this.#endMeasuring = options.meter === undefined ? undefined : measure(options.meter, this);
  }

  /**
   * Opens the ring that the settings name (default: the variables of this process). Its timer does not keep the process
   * running; `close` the ring anyway.
   *
   * Rejects with `SECRET_NOT_FOUND`, `SECRET_DELETED`, `NO_CURRENT_KEY` (before the first rotation),
   * `INVALID_KEY_VALUE`, `AWS_REFUSED` or `CANNOT_REACH_AWS`, unless there is an environment key to use instead, and with
   * `INVALID_SETTINGS` for settings that `loadSettings` did not make and for an unknown or out-of-range option.
   */
  static async open(settings: Settings = loadSettings(), options: KeyRingOptions = {}): Promise<KeyRing> {
    requireSettings(settings);
    const times = ringTimes(options);
    const counter = usageCounter(settings, options);
    const aws = settings.keySource === 'aws' ? await openRing(settings, times, options, counter) : undefined;
    return new KeyRing(FROM_OPEN, settings, aws, counter, options);
  }

  /**
   * A ring for unit tests, without AWS: random keys that are gone when the process ends, and no log. To test a rotation,
   * hand it `keys`, call `keys.rotate()`, and `refresh` the ring. Rejects with `INVALID_SETTINGS` if `ENVIRONMENT` is staging or production.
   */
  static async forTest(keys: TestKeys = new TestKeys()): Promise<KeyRing> {
    refuseTestKeysOutsideTests();
    return KeyRing.open(TEST_SETTINGS, { source: keys, logger: () => undefined });
  }

  /**
   * Encrypts a text (as UTF-8) or bytes with the current key and binds the result to `context`, such as
   * `patients:7:notes` (default: empty). The result is 29 to 33 bytes longer. It takes microseconds and never waits.
   *
   * Throws `INVALID_TEXT` for a plaintext that is neither a string nor bytes and for a text or context that is not
   * well-formed Unicode, `KEY_TOO_OLD` if AWS has not confirmed the key for `maxKeyAge` (for example after a long
   * sleep: await `refresh`), `KEY_EXHAUSTED` after 2^32 encryptions with the key in this process, and `RING_CLOSED`.
   */
  readonly encryptField = (plaintext: string | Uint8Array, context = ''): Buffer => {
    const wall = this.#clock.wall();
    const monotonic = this.#clock.monotonic();
    const writer = this.#currentWriter(wall, monotonic);
    const row = seal(plaintext, writer.key, writer.number, context, this.#nonces(wall, monotonic));
    const { count } = writer;
    count.encryptions += 1;
    if (count.encryptions >= count.nextReport) this.#reachedReport(count);
    return row;
  };

  /**
   * Decrypts a field to text. Fetches its key if it is not cached. For a row from a text column, get the bytes with
   * `rowFromText`.
   *
   * Rejects with `TAMPERED_OR_WRONG_CONTEXT`, `KEY_RETIRED`, `KEY_NEVER_ISSUED`, `KEY_UNAVAILABLE` (the only one worth
   * retrying), `INVALID_CIPHERTEXT` (not bytes, or fewer than 28), `INVALID_KEY_VALUE` (the row's version does not hold
   * a key), `INVALID_TEXT` (the content is not UTF-8, or the context is not well-formed Unicode) or `RING_CLOSED`. An
   * error never has a cause and never shows plaintext.
   */
  readonly decryptField = async (bytes: Uint8Array, context = ''): Promise<string> => {
    const row = this.#readRow(bytes, context);
    return textOf(openWithCachedKeys(row, this.#keys, this.#isLegacyRead) ?? (await this.#search(row)));
  };

  /** Decrypts a field to bytes. Rejects as `decryptField` does. */
  readonly decryptBytes = async (bytes: Uint8Array, context = ''): Promise<Buffer> => {
    const row = this.#readRow(bytes, context);
    return openWithCachedKeys(row, this.#keys, this.#isLegacyRead) ?? (await this.#search(row));
  };

  /**
   * Decrypts a field with a cached key, without waiting. If its key is not cached, throws `KEY_UNAVAILABLE` and starts
   * to fetch it, so that a later try succeeds. Otherwise throws what `decryptField` rejects with.
   */
  readonly decryptFieldSync = (bytes: Uint8Array, context = ''): string => {
    return textOf(this.decryptBytesSync(bytes, context));
  };

  /** Decrypts a field to bytes with a cached key, without waiting. Throws as `decryptFieldSync` does. */
  readonly decryptBytesSync = (bytes: Uint8Array, context = ''): Buffer => {
    const row = this.#readRow(bytes, context);
    return openWithCachedKeys(row, this.#keys, this.#isLegacyRead) ?? this.#openNow(row);
  };

  /** Decrypts many fields, in order. Each result is a text or an error. */
  readonly decryptFields = async (fields: readonly EncryptedField[]): Promise<DecryptedField[]> => {
    const given: unknown = fields;
    if (!Array.isArray(given)) throw notBytes(given);
    // Array.from, because map skips holes.
    return Promise.all(Array.from(fields, (field) => this.#outcome(field)));
  };

  /** How often each key has encrypted since the ring was opened: a gauge for the limit of 2^32. */
  readonly usage = (): readonly KeyUsage[] => this.#counter.usage();

  /** Whether the ring encrypts with the environment's key because AWS has not returned one yet. */
  get isFallenBack(): boolean {
    return this.#aws !== undefined && this.#aws.cache.current === undefined;
  }

  /**
   * Fetches every key of the ring, now and after each later refresh, so that `decryptFieldSync` never fails for want of
   * a key. Resolves to `health()`, whose `keys` show which could not be read; rejects with `RING_CLOSED` only.
   */
  readonly warm = async (): Promise<RingHealth> => {
    if (this.#isClosed) throw ringClosed();
    await this.#aws?.cache.warm();
    return this.health();
  };

  /** The state of the ring as plain data, for a health endpoint. It does not call AWS and never throws. */
  readonly health = (): RingHealth => {
    if (this.#isClosed) return closedHealth(ringClosed());
    const numbers = this.#environmentNumbers;
    const health = this.#aws === undefined ? environmentHealth(numbers) : ringHealth(this.#aws.cache, numbers);
    const isExhausted = this.#counter.isExhausted(this.#aws?.cache.current?.versionId);
    return { ...health, canEncrypt: health.canEncrypt && !isExhausted };
  };

  /**
   * Asks AWS now which key is current, for a process that slept longer than `maxKeyAge` or was told of a rotation.
   * Rejects with the reason if AWS names no readable current key (the ring keeps using the cached keys), or with
   * `RING_CLOSED`. Does nothing without AWS.
   */
  readonly refresh = async (): Promise<void> => {
    if (this.#isClosed) throw ringClosed();
    await this.#aws?.cache.refresh();
  };

  /** Ends calls and timers and forgets the keys. Later calls fail with `RING_CLOSED`, except `usage`. Never throws. */
  readonly close = (): void => {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#counter.reportAll();
    this.#endMeasuring?.();
    this.#aws?.cache.close();
    this.#aws = undefined;
    this.#keys = new KeyCache();
    this.#writingKey = undefined;
    this.#writer = undefined;
  };

  async #outcome(field: EncryptedField): Promise<DecryptedField> {
    try {
      if (!isObject(field)) throw notBytes(field);
      return { text: await this.decryptField(field.bytes, field.context) };
    } catch (error) {
      if (isKeyRotationError(error)) return { error };
      throw error;
    }
  }

  #readRow(bytes: Uint8Array, context: string): Row {
    if (this.#isClosed) throw ringClosed();
    return readRow(bytes, context);
  }

  #search(row: Row): Promise<Buffer> {
    return this.#aws === undefined ? Promise.resolve(this.#openAlone(row)) : this.#aws.lookup.open(row);
  }

  #openNow(row: Row): Buffer {
    return this.#aws === undefined ? this.#openAlone(row) : this.#aws.lookup.openNow(row);
  }

  #openAlone(row: Row): Buffer {
    const plaintext = openUnderNumber(row, this.#keys);
    if (plaintext === undefined) throw failedWithEnvironmentKeys(row.number, this.#environmentNumbers.numbers);
    return plaintext;
  }

  #currentWriter(wall: number, monotonic: number): Writer {
    if (this.#isClosed) throw ringClosed();
    const current = this.#aws?.cache.requireCurrent(wall, monotonic);
    if (this.#writer === undefined || this.#writer.current !== current) this.#writer = this.#writerFor(current);
    return this.#writer;
  }

  #writerFor(current: CurrentKey | undefined): Writer {
    const writing = current ?? this.#writingKey;
    if (writing === undefined) throw ringClosed();
    const { key, number } = writing;
    return { current, key, number, count: this.#counter.of(current?.versionId, number) };
  }

  #reachedReport(count: KeyCount): void {
    // The next encryption checks whether the key may still encrypt.
    this.#writer = undefined;
    this.#counter.reached(count);
  }
}

function usageCounter(settings: Settings, options: KeyRingOptions): UsageCounter {
  const { clock = systemClock, logger = jsonLinesToStandardError } = options;
  const secret = settings.keySource === 'aws' ? { secret_id: settings.secretId } : {};
  return new UsageCounter(applicationLog(logger, clock.wall), { ...secret, environment: settings.environment }, clock);
}

interface Writer {
  readonly current: CurrentKey | undefined;
  readonly key: KeyMaterial;
  readonly number: KeyNumber | 0;
  readonly count: KeyCount;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
