import { isAnswer, isKeyRotationError, KeyRotationError, withoutFullStop } from '../format/error.ts';

/** The name of the service's error (`ResourceNotFoundException`, …); '' for any other value. */
export function awsErrorName(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

export function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'an unknown error';
}

/**
 * Why the service answered with an error ("Common errors" of AWS's query APIs, and those of Secrets Manager). `denied`:
 * a permission is missing. `expired`, `unknown caller`: the credentials. `throttled`, `failing`: temporary. `limit`: a
 * quota. `other`: a fault in the call.
 */
export type RefusalKind = 'denied' | 'expired' | 'unknown caller' | 'throttled' | 'failing' | 'limit' | 'other';

/** AWS appends `Exception` to these names in some places only. */
const KINDS: readonly (readonly [RefusalKind, RegExp])[] = [
  // DecryptionFailure, EncryptionFailure: Secrets Manager could not use the KMS key.
  ['denied', /^(AccessDenied|NotAuthorized|OptInRequired|(De|En)cryptionFailure)$/],
  ['expired', /^(ExpiredToken|RequestExpired)$/],
  [
    'unknown caller',
    /^(UnrecognizedClient|InvalidClientTokenId|InvalidSignature|SignatureDoesNotMatch|IncompleteSignature|MissingAuthenticationToken)$/,
  ],
  ['throttled', /^(Throttl(ing|ed)|RequestThrottled|TooManyRequests|SlowDown|RequestLimitExceeded)$/],
  ['failing', /^(InternalServiceError|InternalFailure|InternalServerError|ServiceUnavailable)$/],
  ['limit', /^LimitExceeded$/],
];

const ADVICE: Readonly<Record<RefusalKind, string>> = {
  denied: "Check the caller's permissions, and the policies of the secret and of its KMS key; then try again.",
  expired: 'The credentials have expired: get new ones (aws sso login, or whatever gave these); then try again.',
  'unknown caller':
    'AWS does not accept these credentials: check which ones are in use (aws sts get-caller-identity), and the clock.',
  throttled: 'There were too many calls at once in this account. That passes by itself: try again in a minute.',
  failing: 'AWS itself failed, and that usually passes: try again, and check the AWS Health Dashboard.',
  limit: 'A quota of Secrets Manager is reached (20 staging labels and 50 tags a secret): make room; then try again.',
  other: 'The call itself is wrong, not a permission of the caller: fix what the message names; then try again.',
};

export function refusalKind(error: unknown): RefusalKind {
  const name = awsErrorName(error).replace(/Exception$/, '');
  const kind = KINDS.find(([, names]) => names.test(name))?.[0];
  if (kind !== undefined) return kind;
  const status = httpStatus(error);
  if (status === 429) return 'throttled';
  return status >= 500 ? 'failing' : 'other';
}

/** `ifAccess`: the advice where a permission or a KMS key is missing. */
export function refusalAdvice(error: unknown, ifAccess = ADVICE.denied): string {
  const kind = refusalKind(error);
  return kind === 'denied' || (kind === 'other' && isAboutKms(error)) ? ifAccess : ADVICE[kind];
}

/** By "Access to KMS is not allowed", or by the name DecryptionFailure. */
export function isAboutKms(error: unknown): boolean {
  return /kms|decrypt/i.test(describeError(error));
}

/** A replica answers as a wrong parameter does. Its message names the primary's region, and no retry helps. */
export function isAboutReplica(error: unknown): boolean {
  return describeError(error).includes('replica secret');
}

/** Whether the service answered with something other than a refusal of permission. */
export function isFault(error: unknown): boolean {
  return isAnswer(error) && refusalKind(error) !== 'denied';
}

export function isTemporary(error: unknown): boolean {
  const kind = refusalKind(error);
  return kind === 'throttled' || kind === 'failing';
}

function httpStatus(error: unknown): number {
  if (!(error instanceof Error) || !('$metadata' in error)) return 0;
  const metadata = error.$metadata;
  const hasStatus = typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata;
  return hasStatus && typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : 0;
}

/** Passes on an error that is ours already. */
export function refused(operation: string, secretId: string, error: unknown): KeyRotationError {
  if (isKeyRotationError(error)) return error;
  if (awsErrorName(error) === 'ResourceNotFoundException') {
    return new KeyRotationError(
      'SECRET_NOT_FOUND',
      `Secrets Manager has no secret '${secretId}' in this region. Check the name or ARN, and the region.`,
      { cause: error },
    );
  }
  // Our tags are well-formed, so only their number can be wrong, for which the service has no error of its own.
  const isOneTagTooMany =
    operation === 'TagResource' && awsErrorName(error) === 'InvalidParameterException' && !isAboutReplica(error);
  const advice = ADVICE[isOneTagTooMany ? 'limit' : refusalKind(error)];
  return new KeyRotationError(
    'AWS_REFUSED',
    `Secrets Manager did not accept ${operation} on '${secretId}': ${withoutFullStop(describeError(error))}. ${advice}`,
    { cause: error },
  );
}

/** `VERSION_UNREADABLE` for `what`, a version or a secret. `ifAccess`: see `refusalAdvice`. */
export function unreadable(what: string, error: unknown, ifAccess: string): KeyRotationError {
  if (isKeyRotationError(error)) return error;
  return new KeyRotationError(
    'VERSION_UNREADABLE',
    `${what} cannot be read: ${withoutFullStop(describeError(error))}. ${refusalAdvice(error, ifAccess)}`,
    { cause: error },
  );
}
