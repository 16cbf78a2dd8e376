import type { ErrorCode } from './error-code.ts';

export type { ErrorCode, LibraryErrorCode } from './error-code.ts';

/** Shared by every copy of this module: an import and a require load two copies, with two classes. */
const BRAND = Symbol.for('pazpaz-key-rotation.KeyRotationError');

/**
 * The one error class of this product. The message says what was expected, what was found and what to do next. It never
 * holds key material, plaintext or a `RotationToken`, and `cause` is kept only where it can leak none of these.
 */
export class KeyRotationError extends Error {
  override readonly name: string = 'KeyRotationError';
  readonly code: ErrorCode;

  static {
    // Printing an error does not show what is not enumerable.
    Object.defineProperty(this.prototype, BRAND, {});
  }

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Whether `error` is a `KeyRotationError`, with this `code` if one is given. Unlike `instanceof`, it accepts those of
 * another copy of this package, which a process has if one part imports it and another requires it.
 */
export function isKeyRotationError(error: unknown, code?: ErrorCode): error is KeyRotationError {
  return error instanceof Error && BRAND in error && 'code' in error && (code === undefined || error.code === code);
}

/** What a value is, for an error that must not show it: `null`, `a string`, `an object`. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/** What another program says, for a message of ours that continues after it. */
export function withoutFullStop(text: string): string {
  return text.replace(/\.$/, '');
}

/** Such as `TimeoutError: ECONNRESET`. Never the message: a parser quotes the text, which may hold a key. */
export function failureName(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? `${error.name}: ${code}` : error.name;
}

/** Whether the service itself answered with this error: the SDK marks those with `$fault`. */
export function isAnswer(error: unknown): error is Error {
  return error instanceof Error && '$fault' in error;
}

/** Awaits a call to AWS. Throws `CANNOT_REACH_AWS` unless the error is one of the service or of this product. */
export async function reach<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (isAnswer(error) || isKeyRotationError(error)) throw error;
    throw cannotReachAws(failureName(error));
  }
}

/** `call`: such as `DescribeSecret of 'name'`. It has no cause, which may quote received data, and with it a key. */
export function cannotReachAws(found: string, call?: string): KeyRotationError {
  return new KeyRotationError(
    'CANNOT_REACH_AWS',
    `Cannot reach AWS Secrets Manager${call === undefined ? '' : ` for ${call}`} (${found}). Check the region, ` +
      'the endpoint URL, the credentials or role, and outgoing HTTPS (port 443): proxy, VPC endpoint or NAT, ' +
      'security group.',
  );
}
