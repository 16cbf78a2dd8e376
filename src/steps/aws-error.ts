import { isKeyRotationError, KeyRotationError } from '../keyring/error.ts';

/** The name of the service's error (`ResourceNotFoundException`, …), or '' for anything that has none. */
export function awsErrorName(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

/** What an error says, in one line: the service's name for it and its message. */
export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'an unknown error';
}

/** Turns an answer of the service that no step expects into our words; an error that is ours already stays as it is. */
export function refused(operation: string, secretId: string, error: unknown): KeyRotationError {
  if (isKeyRotationError(error)) return error;
  if (awsErrorName(error) === 'ResourceNotFoundException') {
    return new KeyRotationError(
      'SECRET_NOT_FOUND',
      `Secrets Manager has no secret '${secretId}' in this region. Check the name or ARN, and the region.`,
      { cause: error },
    );
  }
  return new KeyRotationError(
    'AWS_REFUSED',
    `Secrets Manager did not accept ${operation} on '${secretId}': ${describeError(error)}. Check the caller's permissions, and the policies of the secret and of its KMS key; then try again.`,
    { cause: error },
  );
}
