import { createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { KeyRotationError } from './error.ts';

/** Length of an AES-256 key in bytes. */
export const KEY_BYTES = 32;

const REDACTED = '[redacted]';

/**
 * An AES-256-GCM key of 32 bytes that never prints: `String()`, `JSON.stringify`, `util.inspect` and template strings
 * all give `[redacted]`.
 *
 * The `KeyObject` is made once and reused: on Node 24 a key passed as bytes costs three times the whole encryption.
 */
export class KeyMaterial {
  readonly #keyObject: KeyObject;

  private constructor(keyObject: KeyObject) {
    this.#keyObject = keyObject;
  }

  /** Copies `bytes`. Throws `INVALID_KEY_VALUE` unless there are exactly 32 of them. */
  static fromBytes(bytes: Uint8Array): KeyMaterial {
    if (bytes.length !== KEY_BYTES) {
      throw new KeyRotationError(
        'INVALID_KEY_VALUE',
        `Encryption key from AWS Secrets Manager must be ${KEY_BYTES} bytes, got ${bytes.length} bytes`,
      );
    }
    return new KeyMaterial(createSecretKey(bytes));
  }

  /** The key as node:crypto takes it. */
  get keyObject(): KeyObject {
    return this.#keyObject;
  }

  /** A copy of the 32 bytes, for the one place that writes them to Secrets Manager. */
  exportBytes(): Buffer {
    return this.#keyObject.export();
  }

  /** Whether both hold the same 32 bytes; takes the same time whatever they are. */
  equals(other: KeyMaterial): boolean {
    return timingSafeEqual(this.exportBytes(), other.exportBytes());
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.toPrimitive](): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
