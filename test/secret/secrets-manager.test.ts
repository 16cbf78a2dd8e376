import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { mockClient } from 'aws-sdk-client-mock';
import type { SecretsManager } from '../../src/secret/dependencies.ts';
import { secretsManager } from '../../src/secret/secrets-manager.ts';
import { startService, stopServices } from '../local/support/running-service.ts';
import { rejectionOf } from '../keyring/support/rejection-of.ts';

afterEach(stopServices);

const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };

/** A client that answers nothing but what a test expects of it. */
function mocked() {
  const unexpected: unknown[] = [];
  const client = new SecretsManagerClient({ region: 'us-east-1', credentials: CREDENTIALS });
  const mock = mockClient(client);
  mock.onAnyCommand().callsFake((input) => {
    unexpected.push(input);
    throw new Error('no one expects this call');
  });
  return { mock, unexpected, secrets: secretsManager(client, () => 30_000) };
}

const INPUT = { SecretId: 'a' };
const CALLS: readonly [keyof SecretsManager, (secrets: SecretsManager) => Promise<unknown>][] = [
  ['describeSecret', (secrets) => secrets.describeSecret(INPUT)],
  ['getSecretValue', (secrets) => secrets.getSecretValue(INPUT)],
  ['putSecretValue', (secrets) => secrets.putSecretValue(INPUT)],
  ['updateSecretVersionStage', (secrets) => secrets.updateSecretVersionStage({ ...INPUT, VersionStage: 'b' })],
];

describe('each call', () => {
  test('is the command of its name, with the input as it is, and gives the answer as it is', async () => {
    const { mock, unexpected, secrets } = mocked();
    mock.on(DescribeSecretCommand, { SecretId: 'a' }, true).resolves({ Name: 'described' });
    mock.on(GetSecretValueCommand, { SecretId: 'a', VersionId: 'v' }, true).resolves({ Name: 'got' });
    mock.on(PutSecretValueCommand, { SecretId: 'a', SecretString: 's' }, true).resolves({ Name: 'put' });
    mock.on(UpdateSecretVersionStageCommand, { SecretId: 'a', VersionStage: 'b' }, true).resolves({ Name: 'updated' });

    expect(await secrets.describeSecret({ SecretId: 'a' })).toEqual({ Name: 'described' });
    expect(await secrets.getSecretValue({ SecretId: 'a', VersionId: 'v' })).toEqual({ Name: 'got' });
    expect(await secrets.putSecretValue({ SecretId: 'a', SecretString: 's' })).toEqual({ Name: 'put' });
    const updated = secrets.updateSecretVersionStage({ SecretId: 'a', VersionStage: 'b' });
    expect(await updated).toEqual({ Name: 'updated' });
    expect(unexpected).toEqual([]);
  });

  test.each(CALLS)('%s lets an error of the service through as it is', async (_, call) => {
    const { mock, secrets } = mocked();
    const error = new ResourceNotFoundException({ message: 'no such secret', $metadata: {} });
    mock.onAnyCommand().rejects(error);
    await expect(call(secrets)).rejects.toBe(error);
  });

  test.each(CALLS)(
    '%s says CANNOT_REACH_AWS for any other error, of which it tells the name and the code alone',
    async (_, call) => {
      const { mock, secrets } = mocked();
      mock.onAnyCommand().rejects(Object.assign(new Error('what was received'), { code: 'ENOTFOUND' }));
      const error = await rejectionOf(call(secrets));
      expect(error).toMatchObject({ code: 'CANNOT_REACH_AWS' });
      expect(error.cause).toBeUndefined();
      expect(error.message).toContain('Cannot reach AWS Secrets Manager (Error: ENOTFOUND). ');
      for (const place of ['VPC endpoint', 'security group', 'endpoint URL', 'credentials']) {
        expect(error.message).toContain(place);
      }
    },
  );

  test.each(CALLS)('%s is given up before the time of Lambda ends', async (_, call) => {
    const client = new SecretsManagerClient({ region: 'us-east-1', credentials: CREDENTIALS });
    const send = jest.spyOn(client, 'send').mockResolvedValue({ $metadata: {} } as never);
    const timeout = jest.spyOn(AbortSignal, 'timeout');
    await call(secretsManager(client, () => 9_000));
    expect(timeout.mock.calls).toEqual([[7_500]]);
    expect(send.mock.calls[0]?.[1]).toEqual({ abortSignal: timeout.mock.results[0]?.value as AbortSignal });
    timeout.mockRestore();
  });
});

test('a Secrets Manager that does not answer is CANNOT_REACH_AWS in time to say so', async () => {
  const { client, service } = await startService();
  service.faults.set({ kind: 'delay', milliseconds: 600_000 });
  const secrets = secretsManager(client, () => 1_600);
  const error = await rejectionOf(secrets.describeSecret(INPUT));
  expect(error.code).toBe('CANNOT_REACH_AWS');
});

test('a call is made, and not given up at once, with less time left than is kept back', async () => {
  const client = new SecretsManagerClient({ region: 'us-east-1', credentials: CREDENTIALS });
  jest.spyOn(client, 'send').mockResolvedValue({ Name: 'a' } as never);
  expect(await secretsManager(client, () => 0).describeSecret(INPUT)).toEqual({ Name: 'a' });
});

test('an endpoint at which no one listens is CANNOT_REACH_AWS', async () => {
  const { url, close } = await startService();
  await close();
  const client = new SecretsManagerClient({
    endpoint: url,
    region: 'us-east-1',
    credentials: CREDENTIALS,
    maxAttempts: 1,
  });
  const error = await rejectionOf(secretsManager(client, () => 30_000).describeSecret(INPUT));
  expect(error.code).toBe('CANNOT_REACH_AWS');
  expect(error.message).toMatch(/^Cannot reach AWS Secrets Manager \(\w+/);
});
