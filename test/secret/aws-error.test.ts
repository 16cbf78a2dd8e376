import { KeyRotationError } from '../../src/format/error.ts';
import {
  awsErrorName,
  describeError,
  isFault,
  isTemporary,
  refusalAdvice,
  refusalKind,
  refused,
  type RefusalKind,
} from '../../src/secret/aws-error.ts';

function answer(name: string, message = 'why', metadata: unknown = {}): Error {
  return Object.assign(new Error(message), { name, $fault: 'client', $metadata: metadata });
}

const NAMES: Readonly<Record<Exclude<RefusalKind, 'other'>, readonly string[]>> = {
  denied: [
    ...['AccessDenied', 'AccessDeniedException', 'NotAuthorized', 'OptInRequired'],
    ...['DecryptionFailure', 'DecryptionFailureException', 'EncryptionFailure', 'EncryptionFailureException'],
  ],
  expired: ['ExpiredToken', 'ExpiredTokenException', 'RequestExpired'],
  'unknown caller': [
    ...['UnrecognizedClient', 'UnrecognizedClientException', 'InvalidClientTokenId', 'SignatureDoesNotMatch'],
    ...['InvalidSignature', 'InvalidSignatureException', 'IncompleteSignature', 'IncompleteSignatureException'],
    ...['MissingAuthenticationToken', 'MissingAuthenticationTokenException'],
  ],
  throttled: [
    ...['Throttling', 'ThrottlingException', 'Throttled', 'ThrottledException', 'SlowDown', 'RequestLimitExceeded'],
    ...['RequestThrottled', 'RequestThrottledException', 'TooManyRequests', 'TooManyRequestsException'],
  ],
  failing: [
    ...['InternalServiceError', 'InternalServiceErrorException', 'InternalFailure', 'InternalServerError'],
    ...['ServiceUnavailable', 'ServiceUnavailableException'],
  ],
  limit: ['LimitExceeded', 'LimitExceededException'],
};

const ALL = Object.entries(NAMES).flatMap(([kind, names]) => names.map((name) => [name, kind] as const));

test.each(ALL)('%s is %s, and no other name that holds it is', (name, kind) => {
  expect(refusalKind(answer(name))).toBe(kind);
  expect(refusalKind(answer(`My${name}`))).toBe('other');
  expect(refusalKind(answer(`${name}Too`))).toBe('other');
});

test.each([
  [429, 'throttled'],
  [500, 'failing'],
  [503, 'failing'],
  [499, 'other'],
  ['500', 'other'],
])('an unknown name with status %p is %s', (httpStatusCode, kind) => {
  expect(refusalKind(answer('Unknown', 'why', { httpStatusCode }))).toBe(kind);
});

test.each([[undefined], [null], ['500'], [500], [{}]])('an answer whose metadata are %p has no status', (metadata) => {
  expect(refusalKind(answer('Unknown', 'why', metadata))).toBe('other');
});

test('what is thrown and is no error has no name, and is described as unknown', () => {
  expect(awsErrorName('text')).toBe('');
  expect(describeError('text')).toBe('an unknown error');
  expect(refusalKind({ name: 'AccessDenied', $metadata: { httpStatusCode: 500 } })).toBe('other');
});

test.each(ALL)('%s passes by itself only where AWS is busy or fails (%s)', (name, kind) => {
  expect(isTemporary(answer(name))).toBe(kind === 'throttled' || kind === 'failing');
});

test('an answer of the service that does not deny the caller is a fault', () => {
  expect(isFault(answer('InternalFailure'))).toBe(true);
  expect(isFault(answer('AccessDenied'))).toBe(false);
  expect(isFault(new Error('no answer'))).toBe(false);
  expect(isFault({ $fault: 'client' })).toBe(false);
});

test('advice on access goes to who is denied, and to who meets a KMS key that cannot be used', () => {
  expect(refusalAdvice(answer('AccessDenied'), 'the key')).toBe('the key');
  expect(refusalAdvice(answer('Unknown', 'Access to KMS is not allowed'), 'the key')).toBe('the key');
  expect(refusalAdvice(answer('Unknown', 'cannot decrypt'), 'the key')).toBe('the key');
  expect(refusalAdvice(answer('Unknown'), 'the key')).toContain('The call itself is wrong');
  expect(refusalAdvice(answer('InternalFailure', 'KMS'), 'the key')).toContain('AWS itself failed');
  expect(refusalAdvice(answer('AccessDenied'))).toContain("Check the caller's permissions");
});

describe('an answer that no step expects', () => {
  test('is told in one sentence with what helps, and keeps its cause', () => {
    const cause = answer('Throttling', 'Rate exceeded.');
    const error = refused('PutSecretValue', 'a/b', cause);
    expect(error).toMatchObject({ code: 'AWS_REFUSED', cause });
    expect(error.message).toContain(
      "Secrets Manager did not accept PutSecretValue on 'a/b': Throttling: Rate exceeded. There were too many calls",
    );
  });

  test('is a secret that is not there', () => {
    const cause = answer('ResourceNotFoundException');
    const error = refused('DescribeSecret', 'a/b', cause);
    expect(error).toMatchObject({ code: 'SECRET_NOT_FOUND', cause });
    expect(error.message).toContain("no secret 'a/b' in this region");
  });

  test('is one tag too many where a tag is an invalid parameter, and nowhere else', () => {
    const cause = answer('InvalidParameterException');
    expect(refused('TagResource', 'a', cause).message).toContain('A quota of Secrets Manager is reached');
    expect(refused('PutSecretValue', 'a', cause).message).toContain('The call itself is wrong');
    const onReplica = answer('InvalidParameterException', 'Operation not permitted on a replica secret.');
    expect(refused('TagResource', 'a', onReplica).message).toContain('The call itself is wrong');
    expect(refused('TagResource', 'a', answer('AccessDenied')).message).toContain("Check the caller's permissions");
  });

  test('stays what it is where it is ours already', () => {
    const ours = new KeyRotationError('RING_FULL', 'No label is free.');
    expect(refused('DescribeSecret', 'a', ours)).toBe(ours);
  });
});
