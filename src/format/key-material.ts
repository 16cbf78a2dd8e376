import { createSecretKey, type KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { isKeyObject, isUint8Array } from 'node:util/types';
import { KeyRotationError, typeName } from './error.ts';

export const KEY_BYTES = 32;

const REDACTED = '[redacted]';

/**
 * An AES-256-GCM key of 32 bytes that never prints: `String()`, `JSON.stringify`, `util.inspect` and template strings
 * return `[redacted]`. It holds a `KeyObject`, because on Node 24 passing a key as bytes costs three times the whole
 * encryption.
 */
export class KeyMaterial {
  readonly #keyObject: KeyObject;

  private constructor(keyObject: KeyObject) {
    this.#keyObject = keyObject;
  }

  /** Copies `bytes`. Throws `INVALID_KEY_VALUE` unless they are bytes, and exactly 32 of them. */
  static fromBytes(bytes: Uint8Array): KeyMaterial {
    // Node would take the characters of a string for a key, and another view for as many bytes as it has elements.
    if (!isUint8Array(bytes)) {
      throw invalid(`${typeName(bytes)}; decode base64 first: Buffer.from(text, 'base64')`);
    }
    if (bytes.length !== KEY_BYTES) throw invalid(`${bytes.length} bytes`);
    return new KeyMaterial(createSecretKey(bytes));
  }

  /**
   * Accepts a key of 32 bytes, and a `KeyMaterial` of this or another copy of this module (a process has two if one
   * part imports the package and another requires it). Throws `INVALID_KEY_VALUE` for anything else.
   */
  static from(key: KeyMaterial | Uint8Array): KeyMaterial {
    if (key instanceof KeyMaterial) return key;
    const keyObject = secretKeyOf(key);
    return keyObject === undefined ? KeyMaterial.fromBytes(key) : new KeyMaterial(keyObject);
  }

  get keyObject(): KeyObject {
    return this.#keyObject;
  }

  /** A copy of the 32 bytes, to be written to Secrets Manager. */
  exportBytes(): Buffer {
    return this.#keyObject.export();
  }

  /** Whether both hold the same 32 bytes, in constant time and without leaving a copy of them. */
  equals(other: KeyMaterial): boolean {
    return this.#keyObject.equals(other.keyObject);
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

/** The key of another copy's `KeyMaterial`: a real KeyObject of Node, never an imitation. */
function secretKeyOf(value: unknown): KeyObject | undefined {
  if (typeof value !== 'object' || value === null || !('keyObject' in value)) return undefined;
  const { keyObject } = value;
  const isKey = isKeyObject(keyObject) && keyObject.type === 'secret' && keyObject.symmetricKeySize === KEY_BYTES;
  return isKey ? keyObject : undefined;
}

function invalid(found: string): KeyRotationError {
  return new KeyRotationError('INVALID_KEY_VALUE', `Encryption key must be ${KEY_BYTES} bytes, got ${found}`);
}
