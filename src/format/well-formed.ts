/// <reference lib="es2024.string" />
import { KeyRotationError, typeName } from './error.ts';

/**
 * Throws `INVALID_TEXT` unless `value` is a string of well-formed Unicode. Node encodes half of a surrogate pair as
 * U+FFFD: the text read back would differ, and two contexts could become equal.
 */
export function requireWellFormed(value: string, what: 'text' | 'context'): void {
  // JavaScript callers can pass any value, and Node's own error would quote it.
  if (typeof value !== 'string') {
    throw new KeyRotationError('INVALID_TEXT', `The ${what} must be a string, got ${typeName(value)}.`);
  }
  if (!value.isWellFormed()) {
    throw new KeyRotationError(
      'INVALID_TEXT',
      `The ${what} must be well-formed Unicode, but holds half of a surrogate pair (a character cut in two, as by ` +
        'slice() in the middle of an emoji). Cut between characters, or encode binary data as base64 first.',
    );
  }
}
