import { openRing, type OpenedRing } from './open-ring.ts';
import { notBytes, seal } from '../format/ciphertext.ts';
import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import { failedWithEnvironmentKey } from './failed-decryption.ts';
import { textOf } from '../format/field.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { KeyCache } from './key-cache.ts';
import { ringClosed } from './call-timeout.ts';
import { pooledNonce } from '../format/nonce.ts';
import type { NonceSource } from '../format/nonce.ts';
import { openWithCachedKeys, openUnderNumber, readRow, type Row } from './row.ts';
import { systemClock, type RingClock } from './clock.ts';
import type { CurrentKey } from './ring-cache.ts';
import { ringTimes, type KeyRingOptions } from './options.ts';
import { loadSettings, requireSettings, type Settings } from './settings.ts';

/** Known to `open` alone: a constructor cannot wait for a key. */
const FROM_OPEN = Symbol('KeyRing.open');

/** How often a key has encrypted since the ring was opened. */
export interface KeyUsage {
  /** 0: the number was not known, or the key is the environment's. */
  readonly keyNumber: number;
  /** Absent for the environment's key. */
  readonly versionId?: string;
  /** One key may encrypt 2^32 times in all processes together (NIST SP 800-38D, section 8.3). */
  readonly encryptions: number;
}

/** A ciphertext and where it belongs, for `decryptFields`. */
export interface EncryptedField {
  readonly bytes: Uint8Array;
  /** Default: empty. */
  readonly context?: string;
}

/** What became of one of many: its text, or why it has none. */
export type DecryptedField = { readonly text: string } | { readonly error: KeyRotationError };

/**
 * The keys of an application: encrypts with the current one, and reads what any of them has written.
 *
 * - **Opening** reads the current key. While it stays open, the ring asks AWS before each time to live ends which key is
 *   current, with one `DescribeSecret`; a value is read only where it is not at hand, and once.
 * - **AWS silent**: it goes on with what it has and keeps asking. Encrypting stops when AWS has not confirmed the
 *   current key for `maxKeyAge`; decrypting never does.
 * - **The environment's key** encrypts only while this process has had no key from AWS, under number 0; it reads as
 *   long as it is set.
 * - **A row that no key at hand opens** is looked for under every other key of the ring, with a bounded number of calls
 *   for however many rows: one description in three seconds at most, each version read once, every call with a time limit.
 *
 * The methods need no `this`: `const { encryptField, decryptField } = ring` works, and always uses the newest key.
 */
export class KeyRing {
  #keys: KeyCache;
  #aws: OpenedRing | undefined;
  #environmentKey: KeyMaterial | undefined;
  readonly #isLegacyRead: boolean;
  readonly #nonces: NonceSource;
  readonly #clock: RingClock;
  readonly #writers = new Map<string | undefined, Writer>();
  #writer: Writer | undefined;
  #usageAtClose: readonly KeyUsage[] | undefined;
  #isClosed = false;

  private constructor(
    caller: symbol,
    environmentKey: KeyMaterial | undefined,
    aws: OpenedRing | undefined,
    options: KeyRingOptions,
  ) {
    if (caller !== FROM_OPEN) {
      throw new KeyRotationError('INVALID_SETTINGS', 'A key ring is opened with await KeyRing.open(), not with new.');
    }
    this.#environmentKey = environmentKey;
    this.#aws = aws;
    this.#keys = aws?.cache.keys ?? new KeyCache();
    if (environmentKey !== undefined) this.#keys.add(environmentKey);
    this.#isLegacyRead = options.legacy ?? true;
    this.#nonces = options.nonces ?? pooledNonce;
    this.#clock = options.clock ?? systemClock;
  }

  /**
   * Opens the ring that the settings name (default: those of this process's environment). It holds a timer, which does
   * not keep the process from ending; `close` it all the same.
   *
   * Rejects with `SECRET_NOT_FOUND`, `SECRET_DELETED`, `NO_CURRENT_KEY` (before the first rotation), `INVALID_KEY_VALUE`,
   * `AWS_REFUSED` or `CANNOT_REACH_AWS`, unless there is an environment key to fall back to; opening can be tried again.
   * Rejects with `INVALID_SETTINGS` for settings that `loadSettings` did not make, for an unknown option and for one
   * outside its range.
   */
  static async open(settings: Settings = loadSettings(), options: KeyRingOptions = {}): Promise<KeyRing> {
    requireSettings(settings);
    const times = ringTimes(options);
    const aws = settings.keySource === 'aws' ? await openRing(settings, times, options) : undefined;
    return new KeyRing(FROM_OPEN, settings.environmentKey, aws, options);
  }

  /**
   * Encrypts a text (as UTF-8) or bytes with the current key, and binds it to `context`, such as `patients:7:notes`
   * (default: empty). The result is 29 bytes longer, up to 4 more under a number above 127. Takes microseconds and
   * never waits.
   *
   * Throws `INVALID_TEXT` for a plaintext that is neither string nor bytes and for a text or context that is no
   * well-formed Unicode, `KEY_TOO_OLD` where AWS has not confirmed the key for `maxKeyAge` (also after a sleep as long as
   * that: `refresh` asks, and can be awaited), `RING_CLOSED`.
   */
  readonly encryptField = (plaintext: string | Uint8Array, context = ''): Buffer => {
    const wall = this.#clock.wall();
    const monotonic = this.#clock.monotonic();
    const writer = this.#currentWriter(wall, monotonic);
    const row = seal(plaintext, writer.key, writer.number, context, this.#nonces(wall, monotonic));
    writer.encryptions += 1;
    return row;
  };

  /**
   * Decrypts a field to its text; fetches its key if that is not at hand. A row in a text column is given as bytes:
   * `rowFromText` gives them.
   *
   * Rejects with `TAMPERED_OR_WRONG_CONTEXT`, `KEY_RETIRED`, `KEY_NEVER_ISSUED`, `KEY_UNAVAILABLE` (the only one to try
   * again later), `INVALID_CIPHERTEXT` (no bytes, or fewer than 28), `INVALID_KEY_VALUE` (the key's own value is none),
   * `INVALID_TEXT` (what it holds is no UTF-8, or the context is no well-formed Unicode), `RING_CLOSED`. No failure has
   * a cause, and none shows any of the plaintext.
   */
  readonly decryptField = async (bytes: Uint8Array, context = ''): Promise<string> => {
    const row = this.#readRow(bytes, context);
    return textOf(openWithCachedKeys(row, this.#keys, this.#isLegacyRead) ?? (await this.#search(row)));
  };

  /** Decrypts a field to its bytes; rejects as `decryptField` does. */
  readonly decryptBytes = async (bytes: Uint8Array, context = ''): Promise<Buffer> => {
    const row = this.#readRow(bytes, context);
    return openWithCachedKeys(row, this.#keys, this.#isLegacyRead) ?? (await this.#search(row));
  };

  /**
   * Decrypts a field with a key at hand, at once. Where its key is not at hand it throws `KEY_UNAVAILABLE` and starts
   * to fetch it, so that another try succeeds a moment later; otherwise throws what `decryptField` rejects with.
   */
  readonly decryptFieldSync = (bytes: Uint8Array, context = ''): string => {
    const row = this.#readRow(bytes, context);
    return textOf(openWithCachedKeys(row, this.#keys, this.#isLegacyRead) ?? this.#openNow(row));
  };

  /**
   * Decrypts many fields, in their order. It never rejects for one of them: each is its text or its error, so that one
   * bad row does not hide a thousand good ones.
   */
  readonly decryptFields = async (fields: readonly EncryptedField[]): Promise<DecryptedField[]> => {
    const given: unknown = fields;
    if (!Array.isArray(given)) throw notBytes(given);
    // Array.from, because map leaves out what an array does not have.
    return Promise.all(Array.from(fields, (field) => this.#outcome(field)));
  };

  /** How often each key has encrypted since the ring was opened: a gauge for the limit of 2^32. */
  readonly usage = (): readonly KeyUsage[] =>
    this.#usageAtClose ??
    [...this.#writers].map(([versionId, { number, encryptions }]) => ({
      keyNumber: number,
      ...(versionId === undefined ? {} : { versionId }),
      encryptions,
    }));

  /** Whether it encrypts with the environment's key, because AWS has given none yet. */
  get isFallenBack(): boolean {
    return this.#aws !== undefined && this.#aws.cache.current === undefined;
  }

  /**
   * Asks AWS at once which key is current, for whoever wants to wait for it: a process that was asleep for longer than
   * `maxKeyAge`, or one that was told of a rotation. Resolves when the ring has the answer; rejects with the reason where
   * AWS names no current key that can be read (the ring goes on with what it has), or with `RING_CLOSED`. Nothing to do
   * where the key is the environment's alone.
   */
  readonly refresh = async (): Promise<void> => {
    if (this.#isClosed) throw ringClosed();
    await this.#aws?.cache.refresh();
  };

  /**
   * Ends its calls and timers, and lets go of its keys. Whatever is asked of it from now on fails with `RING_CLOSED`;
   * `usage` still answers. Never throws.
   */
  readonly close = (): void => {
    if (this.#isClosed) return;
    this.#usageAtClose = this.usage();
    this.#isClosed = true;
    this.#aws?.cache.close();
    this.#aws = undefined;
    this.#keys = new KeyCache();
    this.#environmentKey = undefined;
    this.#writer = undefined;
    this.#writers.clear();
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

  /** Where there is the environment's key alone, and no ring to look in. */
  #openAlone(row: Row): Buffer {
    const plaintext = openUnderNumber(row, this.#keys);
    if (plaintext === undefined) throw failedWithEnvironmentKey(row.number);
    return plaintext;
  }

  #currentWriter(wall: number, monotonic: number): Writer {
    if (this.#isClosed) throw ringClosed();
    const current = this.#aws?.cache.requireCurrent(wall, monotonic);
    if (this.#writer === undefined || this.#writer.current !== current) this.#writer = this.#writerFor(current);
    return this.#writer;
  }

  #writerFor(current: CurrentKey | undefined): Writer {
    const key = current?.key ?? this.#environmentKey;
    // A ring without either does not open.
    if (key === undefined) throw ringClosed();
    const { encryptions = 0 } = this.#writers.get(current?.versionId) ?? {};
    const writer = { current, key, number: current?.number ?? 0, encryptions };
    this.#writers.set(current?.versionId, writer);
    return writer;
  }
}

/** What encrypts, and how often it has. */
interface Writer {
  readonly current: CurrentKey | undefined;
  readonly key: KeyMaterial;
  readonly number: KeyNumber | 0;
  encryptions: number;
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
