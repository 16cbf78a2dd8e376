import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import { failureName } from '../format/error.ts';

/**
 * Says in our words why a call to Secrets Manager gave nothing. What the service itself answered is quoted; of anything
 * else only its name: a parser's error quotes the text that it could not read, which may be an answer with a key in
 * it. For the same reason no error is kept as a cause.
 */
export function sourceError(operation: string, secretId: string, error: unknown): KeyRotationError {
  if (isKeyRotationError(error)) return error;
  const name = error instanceof Error ? error.name : 'unknown error';
  const isAnswer = error instanceof Error && '$fault' in error;
  const said = isAnswer ? `${name}: ${error.message}` : failureName(error);
  if (!isAnswer) {
    return new KeyRotationError(
      'CANNOT_REACH_AWS',
      `Cannot reach AWS Secrets Manager for ${operation} of '${secretId}' (${said}). Check credentials or task role, ` +
        'region, endpoint, VPC endpoint or NAT, and that the security group lets HTTPS (443) out.',
    );
  }
  if (name === 'ResourceNotFoundException' && operation === 'DescribeSecret') {
    return new KeyRotationError(
      'SECRET_NOT_FOUND',
      `Secrets Manager has no secret '${secretId}' in this region (${said}). Check SECRETS_MANAGER_KEY_NAME and AWS_REGION.`,
    );
  }
  return new KeyRotationError(
    'AWS_REFUSED',
    `Secrets Manager refused ${operation} of '${secretId}' (${said}). ${advice(name)}`,
  );
}

function advice(name: string): string {
  return name === 'AccessDeniedException'
    ? 'Give the role secretsmanager:DescribeSecret and secretsmanager:GetSecretValue on the secret, and kms:Decrypt on its KMS key.'
    : 'It may pass by itself; look at the AWS health page and the quotas if it does not.';
}

/** An error that names what could not be had within the time that a call is given. */
export function timeLimitError(operation: string, secretId: string, milliseconds: number): KeyRotationError {
  return new KeyRotationError(
    'CANNOT_REACH_AWS',
    `AWS Secrets Manager did not answer ${operation} of '${secretId}' within ${milliseconds} ms. Check VPC endpoint or ` +
      'NAT, that the security group lets HTTPS (443) out, and where the credentials come from.',
  );
}

/** The error for an answer that the service would not give, such as that of a proxy in between. It shows none of it. */
export function notTheService(operation: string): KeyRotationError {
  return new KeyRotationError(
    'CANNOT_REACH_AWS',
    `What answered ${operation} is not AWS Secrets Manager. Look for a proxy in between, and at the endpoint that is set.`,
  );
}
