import { ResourceNotFoundException, SecretsManagerServiceException } from '@aws-sdk/client-secrets-manager';
import type { StepDependencies } from '../../src/secret/dependencies.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { readKey, readRingKey } from '../../src/secret/read-key.ts';
import { rejectionOf } from '../keyring/support/rejection-of.ts';

const nobodyCalls = () => Promise.reject(new Error('no one expects this call'));

/** Dependencies whose only call, `GetSecretValue`, is answered with this error. */
function refusedWith(error: Error): StepDependencies {
  return {
    secretId: 'secret',
    secrets: {
      describeSecret: nobodyCalls,
      putSecretValue: nobodyCalls,
      updateSecretVersionStage: nobodyCalls,
      getSecretValue: () => Promise.reject(error),
    },
    log: () => undefined,
    randomKey: () => Buffer.alloc(32),
    now: () => new Date(0),
    sleep: () => Promise.resolve(),
    remainingTime: () => 30_000,
    proven: new Set(),
  };
}

const refusal = (name: string, message = 'no', httpStatusCode = 400) =>
  new SecretsManagerServiceException({ name, message, $fault: 'client', $metadata: { httpStatusCode } });

const PERMISSION = 'Give the caller access to the secret and to the KMS key of that version';

describe('a version that the service will not give says what helps against that very refusal', () => {
  test.each<[string, Error]>([
    ['a caller without permission', refusal('AccessDeniedException')],
    ['a KMS key that may not be used', refusal('AccessDeniedException', 'Access to KMS is not allowed')],
    ['a KMS key that cannot decrypt', refusal('DecryptionFailure')],
    ['a KMS key that is disabled', refusal('InvalidRequestException', 'The KMS key is disabled')],
  ])('%s: access, and an enabled KMS key', async (_, error) => {
    const { code, message } = await rejectionOf(readKey(refusedWith(error), 'version-1'));
    expect(code).toBe('VERSION_UNREADABLE');
    expect(message).toContain(`Version version-1 cannot be read: ${error.name}: ${error.message}. ${PERMISSION}`);
  });

  test.each<[string, Error, string]>([
    ['too many calls', refusal('ThrottlingException'), 'That passes by itself: try again in a minute'],
    ['too many calls, by the status alone', refusal('Unnamed', 'no', 429), 'too many calls at once'],
    ['a service that fails', refusal('InternalServiceError', 'no', 500), 'AWS itself failed'],
    ['credentials that have expired', refusal('ExpiredTokenException'), 'get new ones (aws sso login'],
    ['credentials that no one knows', refusal('UnrecognizedClientException'), 'check which ones are in use'],
    ['a call that is wrong', refusal('InvalidParameterException'), 'fix what the message names'],
  ])('%s: nothing about access', async (_, error, advice) => {
    const { code, message, cause } = await rejectionOf(readKey(refusedWith(error), 'version-1'));
    expect(code).toBe('VERSION_UNREADABLE');
    expect(message).toContain(advice);
    expect(message).not.toContain('Give the caller access');
    expect(cause).toBe(error);
  });

  test('a value that is not there has an error of its own', async () => {
    const missing = new ResourceNotFoundException({ message: 'no value', $metadata: {} });
    const { code, cause } = await rejectionOf(readKey(refusedWith(missing), 'version-1'));
    expect(code).toBe('VERSION_HAS_NO_VALUE');
    expect(cause).toBe(missing);
  });

  test('a key of the ring is named by its number, and says why it cannot be read', async () => {
    const missing = new ResourceNotFoundException({ message: 'no value', $metadata: {} });
    const { code, message, cause } = await rejectionOf(readRingKey(refusedWith(missing), toKeyNumber(7), 'version-1'));
    expect(code).toBe('RING_KEY_UNREADABLE');
    expect(message).toMatch(/^Key 7 of the ring \(version version-1\) .*Version version-1 has no value/);
    expect(cause).toMatchObject({ code: 'VERSION_HAS_NO_VALUE' });
  });
});
