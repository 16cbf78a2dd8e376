import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { secretsManager } from '../../src/secret/secrets-manager.ts';
import { rejectionOf } from '../keyring/support/rejection-of.ts';

/* What becomes of a call that has no answer, or a bad one: without a service. */

afterEach(() => {
  jest.restoreAllMocks();
});

const INPUT = { SecretId: 'a' };

/** The calls over a client that does this. */
function over(send: () => Promise<unknown>, remainingTime = 9000) {
  const client = new SecretsManagerClient({
    endpoint: 'http://127.0.0.1:1',
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const sent = jest.spyOn(client, 'send').mockImplementation(() => send() as never);
  return { sent, secrets: secretsManager(client, () => remainingTime) };
}

const failing = (fields: object) => () => Promise.reject(Object.assign(new Error('secret text'), fields));

test.each([
  [9000, 7500],
  [1501, 1],
  [1500, 1],
  [0, 1],
])('with %i ms left a call may take %i ms', async (left, limit) => {
  const timeout = jest.spyOn(AbortSignal, 'timeout');
  const { sent, secrets } = over(() => Promise.resolve({ Name: 'a' }), left);
  expect(await secrets.describeSecret(INPUT)).toEqual({ Name: 'a' });
  expect(timeout.mock.calls).toEqual([[limit]]);
  expect(sent.mock.calls[0]?.[1]).toEqual({ abortSignal: timeout.mock.results[0]?.value as AbortSignal });
});

test('only an error that the service marks as its own comes through as it is', async () => {
  const answered = over(failing({ name: 'DecryptionFailure', $fault: 'server' })).secrets;
  expect(await answered.getSecretValue(INPUT).catch((error: unknown) => error)).toMatchObject({
    name: 'DecryptionFailure',
    message: 'secret text',
  });
  const error = await rejectionOf(over(failing({ code: 'ECONNREFUSED' })).secrets.getSecretValue(INPUT));
  expect(error.code).toBe('CANNOT_REACH_AWS');
  expect(error.message).toContain('Cannot reach AWS Secrets Manager (Error: ECONNREFUSED). Check the region');
  expect(error.message).not.toContain('secret text');
});

test.each(['ValidationException', 'SerializationException'])(
  '%s of a put, which may repeat the key, is passed on by its name alone',
  async (name) => {
    const { secrets } = over(failing({ name, $fault: 'client' }));
    const error = await secrets.putSecretValue(INPUT).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name, message: 'the service refused the input, which is not repeated here' });
  },
);

test('another error of a put stays as it is', async () => {
  const { secrets } = over(failing({ name: 'LimitExceededException', $fault: 'client' }));
  const error = await secrets.putSecretValue(INPUT).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'LimitExceededException', message: 'secret text' });
});
