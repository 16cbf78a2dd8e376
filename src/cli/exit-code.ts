import { isAnswer, isKeyRotationError, type KeyRotationError } from '../format/error.ts';
import { isTemporary } from '../secret/aws-error.ts';

/** 0 done, 1 refused or something found, 2 wrong usage, 3 no answer of AWS or the database, or not yet. */
export type ExitCode = 0 | 1 | 2 | 3;

const NO_ANSWER = ['CANNOT_REACH_AWS', 'CANNOT_REACH_DATABASE', 'NOT_SEEN_YET'];

/** The errors of the key ring that have no cause, because a cause might hold a key. */
const OF_THE_RING = ['AWS_REFUSED', 'KEY_UNAVAILABLE'];

/**
 * `lastFailure`: the last failed call to Secrets Manager, for errors without a cause. A service that answers that it
 * cannot answer now counts as no answer. A key is also unavailable if no answer came, or none that shows it yet.
 */
export function exitCodeOf(error: unknown, lastFailure?: unknown): ExitCode {
  if (isKeyRotationError(error) && NO_ANSWER.includes(error.code)) return 3;
  if (isKeyRotationError(error, 'KEY_UNAVAILABLE') && !isAnswer(lastFailure)) return 3;
  if (isKeyRotationError(error) && isTemporary(causeOf(error, lastFailure))) return 3;
  return isKeyRotationError(error, 'INVALID_SETTINGS') || isKeyRotationError(error, 'INVALID_KEY_NUMBER') ? 2 : 1;
}

function causeOf({ code, cause }: KeyRotationError, lastFailure: unknown): unknown {
  return cause === undefined && OF_THE_RING.includes(code) ? lastFailure : cause;
}
