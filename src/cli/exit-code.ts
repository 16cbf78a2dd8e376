import { isKeyRotationError, type KeyRotationError } from '../format/error.ts';
import { isTemporary } from '../secret/aws-error.ts';

/** 0 done, 1 refused or something found, 2 wrong usage, 3 AWS or the database cannot be reached, or cannot answer now. */
export type ExitCode = 0 | 1 | 2 | 3;

/** AWS or the database was not reached, or AWS does not show yet what it has accepted. */
const NO_ANSWER = ['CANNOT_REACH_AWS', 'CANNOT_REACH_DATABASE', 'NOT_SEEN_YET'];

/** Errors of the application's key ring. They have no cause, because a cause might hold a key. */
const OF_THE_RING = ['AWS_REFUSED', 'KEY_UNAVAILABLE'];

/**
 * The exit code of a failed command. If AWS answered that it cannot answer now, that counts as no answer.
 * `lastFailure`: the last failed call to Secrets Manager, for errors without a cause.
 */
export function exitCodeOf(error: unknown, lastFailure?: unknown): ExitCode {
  if (isKeyRotationError(error) && NO_ANSWER.includes(error.code)) return 3;
  if (isKeyRotationError(error) && isTemporary(causeOf(error, lastFailure))) return 3;
  return isKeyRotationError(error, 'INVALID_SETTINGS') || isKeyRotationError(error, 'INVALID_KEY_NUMBER') ? 2 : 1;
}

function causeOf({ code, cause }: KeyRotationError, lastFailure: unknown): unknown {
  return cause === undefined && OF_THE_RING.includes(code) ? lastFailure : cause;
}
