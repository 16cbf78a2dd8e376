import { cannotReachAws, failureName, isAnswer, isKeyRotationError, KeyRotationError } from '../../format/error.ts';

/** Of an error that is not AWS's it shows only the name: a parser's error quotes the text, which may hold a key. */
export function sourceError(operation: string, secretId: string, error: unknown): KeyRotationError {
  if (isKeyRotationError(error)) return error;
  if (!isAnswer(error)) {
    return untrusted(error) ?? cannotReachAws(failureName(error), `${operation} of '${secretId}'`);
  }
  const { name, message } = error;
  const said = `${name}: ${message}`;
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
    : 'It may pass by itself. If it does not, check the AWS Health Dashboard and the quotas.';
}

export function timeLimitError(operation: string, secretId: string, milliseconds: number): KeyRotationError {
  return cannotReachAws(`no answer within ${milliseconds} ms`, `${operation} of '${secretId}'`);
}

/** Node's codes for a certificate whose issuer it does not know. */
const UNKNOWN_ISSUER =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER_CERT(_LOCALLY)?|VERIFY_LEAF_SIGNATURE))$/;

/** `undefined` for a failure that is not about a certificate. */
export function untrusted(error: unknown): KeyRotationError | undefined {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (!UNKNOWN_ISSUER.test(code)) return undefined;
  return new KeyRotationError(
    'CANNOT_REACH_AWS',
    `The server that answered for AWS has a certificate that Node does not trust (${code}). If a proxy of yours inspects ` +
      'TLS, name the file of its certificate authority in NODE_EXTRA_CA_CERTS. If not, trust no answer on this network.',
  );
}

/** An answer that cannot come from the service, such as one of a proxy. It shows nothing of the answer. */
export function notTheService(operation: string): KeyRotationError {
  return new KeyRotationError(
    'CANNOT_REACH_AWS',
    `The answer to ${operation} does not come from AWS Secrets Manager. Check for a proxy on the way, and the ` +
      'endpoint that is set.',
  );
}
