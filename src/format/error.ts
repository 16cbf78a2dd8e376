import type { ErrorCode } from './error-code.ts';

export type { ErrorCode, LibraryErrorCode } from './error-code.ts';

/** Known to every copy of this module in a process: one that was imported and one that was required have two classes. */
const BRAND = Symbol.for('pazpaz-key-rotation.KeyRotationError');

/**
 * The one error class of this product. The message says what was expected, what was found and what to do next, and
 * never holds key material, plaintext or a `RotationToken`. `cause` is kept where it can leak none of these; a failed
 * decryption deliberately keeps no cause.
 */
export class KeyRotationError extends Error {
  override readonly name = 'KeyRotationError';
  readonly code: ErrorCode;

  static {
    // Not enumerable: nothing that prints an error shows it.
    Object.defineProperty(this.prototype, BRAND, {});
  }

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Whether `error` is one of ours, with the given code where one is given. Unlike `instanceof` it knows those of another
 * copy of this package as well, which a process has where one part imports it and another requires it.
 */
export function isKeyRotationError(error: unknown, code?: ErrorCode): error is KeyRotationError {
  return error instanceof Error && BRAND in error && 'code' in error && (code === undefined || error.code === code);
}

/** What a value is, in the words of an error that must not show the value: `null`, `a string`, `an object`. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/**
 * How an error that is no answer of the service is identified: its name, and the code that Node or the resolver gives
 * (`TimeoutError: ECONNRESET`). Never its message: a parser quotes the text that it could not read, which may be an
 * answer with a key in it.
 */
export function failureName(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  const code = 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? `${error.name}: ${code}` : error.name;
}

/** Whether the service itself answered with this error: the SDK marks such an error with `$fault`. */
export function isAnswer(error: unknown): error is Error {
  return error instanceof Error && '$fault' in error;
}

/** Awaits a call to AWS. Errors of the service and of this product come through as they are; throws `CANNOT_REACH_AWS` for any other. */
export async function reach<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (isAnswer(error) || isKeyRotationError(error)) throw error;
    throw cannotReachAws(failureName(error));
  }
}

/**
 * The error for a call without an answer of AWS. `found` says what there was instead, and `call` which call it was
 * (`DescribeSecret of 'name'`). It keeps no cause: that may quote what was received, and with it a key.
 */
export function cannotReachAws(found: string, call?: string): KeyRotationError {
  return new KeyRotationError(
    'CANNOT_REACH_AWS',
    `Cannot reach AWS Secrets Manager${call === undefined ? '' : ` for ${call}`} (${found}). Check the region, the endpoint URL, ` +
      'the credentials or role, and the way over HTTPS (port 443): proxy, VPC endpoint or NAT, security group.',
  );
}
