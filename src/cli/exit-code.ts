import { isKeyRotationError } from '../keyring/error.ts';
import { isTemporary } from '../steps/aws-error.ts';

/** 0 done, 1 refused or something found, 2 wrong usage, 3 AWS or the database cannot be reached. */
export type ExitCode = 0 | 1 | 2 | 3;

/** What a failed command ends with. An answer of AWS that it cannot answer now is as good as none. */
export function exitCodeOf(error: unknown): ExitCode {
  if (isKeyRotationError(error, 'CANNOT_REACH_AWS') || isKeyRotationError(error, 'CANNOT_REACH_DATABASE')) return 3;
  if (isKeyRotationError(error) && isTemporary(error.cause)) return 3;
  return isKeyRotationError(error, 'INVALID_SETTINGS') || isKeyRotationError(error, 'INVALID_KEY_NUMBER') ? 2 : 1;
}
