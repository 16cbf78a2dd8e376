import { failureName, isKeyRotationError, KeyRotationError } from './error.ts';

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
