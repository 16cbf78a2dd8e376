/**
 * Every way in which this product refuses or fails, by a stable code. A code never changes its meaning; callers,
 * alarms and runbooks match on it, and never on the message.
 */
export type ErrorCode =
  // The settings of an application, and the life of its ring
  | 'INVALID_SETTINGS'
  | 'KEY_TOO_OLD'
  | 'RING_CLOSED'
  // The event that the Lambda was given
  | 'NOT_A_ROTATION_EVENT'
  | 'UNKNOWN_STEP'
  | 'INVALID_EVENT'
  | 'NO_SECRET_CONFIGURED'
  // The secret, and the token within it
  | 'SECRET_NOT_FOUND'
  | 'SECRET_DELETED'
  | 'ROTATION_DISABLED'
  | 'UNKNOWN_TOKEN'
  | 'NOT_PENDING'
  | 'WAS_CURRENT'
  // The keys
  | 'INVALID_KEY_VALUE'
  | 'NO_CURRENT_KEY'
  | 'VERSION_HAS_NO_VALUE'
  | 'PENDING_NOT_FRESH'
  | 'RING_FULL'
  | 'RING_KEY_UNREADABLE'
  | 'VERSION_UNREADABLE'
  | 'ROUND_TRIP_FAILED'
  | 'NUMBER_LOST'
  | 'LABEL_CONFLICT'
  // The way to AWS
  | 'CANNOT_REACH_AWS'
  | 'AWS_REFUSED'
  // Data at rest
  | 'CURRENT_KEY_UNNUMBERED'
  | 'INVALID_COLUMN'
  | 'COLUMN_TOO_SHORT'
  | 'TRIGGERS_UNDECIDED'
  | 'JOB_DIFFERS'
  | 'CANNOT_REACH_DATABASE'
  | 'DATABASE_REFUSED'
  // An operator's command that refuses
  | 'ROTATION_UNDER_WAY'
  | 'STATE_CHANGED'
  | 'NOTHING_TO_ROLL_BACK_TO'
  | 'NOTHING_TO_UNDO'
  | 'KEY_STILL_NEEDED'
  | 'TOO_EARLY_TO_RETIRE'
  | 'ROWS_STILL_NEED_KEY'
  | 'NO_CENSUS'
  | 'NOT_RESTORABLE'
  | 'VERSION_IS_RETIRED'
  | 'UNKNOWN_VERSION'
  | 'NOT_CONFIRMED'
  | 'NOT_SEEN_YET'
  | 'ROTATION_NOT_FINISHED'
  // Ciphertext and plaintext
  | 'INVALID_TEXT'
  | 'INVALID_KEY_NUMBER'
  | 'INVALID_CIPHERTEXT'
  // A decryption that failed: with a given key, and the four ways of a key ring
  | 'DECRYPTION_FAILED'
  | 'TAMPERED_OR_WRONG_CONTEXT'
  | 'KEY_RETIRED'
  | 'KEY_NEVER_ISSUED'
  | 'KEY_UNAVAILABLE';

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
