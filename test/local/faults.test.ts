import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
} from '@aws-sdk/client-secrets-manager';
import { parseFault } from '../../src/local/faults.ts';
import { clientOf, startService, stopServices } from './support/running-service.ts';

afterEach(stopServices);

const put = (SecretString: string) => new PutSecretValueCommand({ SecretId: 'key', SecretString });
const read = (from: object = {}) => new GetSecretValueCommand({ SecretId: 'key', ...from });
const describeKey = new DescribeSecretCommand({ SecretId: 'key' });

async function withSecret() {
  const local = await startService();
  const { VersionId = '' } = await local.client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
  local.service.calls.clear();
  return { ...local, first: VersionId };
}

describe('a fault', () => {
  test('hits the n-th call after it was set, and no other', async () => {
    const { client, service } = await withSecret();
    await client.send(describeKey);
    service.faults.set({
      operation: 'DescribeSecret',
      nth: 2,
      kind: 'error',
      type: 'AccessDeniedException',
      message: 'no',
    });
    await client.send(describeKey);
    await expect(client.send(describeKey)).rejects.toMatchObject({ name: 'AccessDeniedException', message: 'no' });
    await client.send(describeKey);
    await client.send(read());
  });

  test('before the call leaves nothing changed', async () => {
    const { client, service } = await withSecret();
    service.faults.set({ operation: 'PutSecretValue', kind: 'error' });
    await expect(client.send(put('second'))).rejects.toMatchObject({
      name: 'InternalServiceError',
      $metadata: { httpStatusCode: 500 },
    });
    expect((await client.send(read())).SecretString).toBe('first');
  });

  test('after the call loses the answer alone', async () => {
    const { client, service } = await withSecret();
    service.faults.set({ operation: 'PutSecretValue', nth: 1, when: 'after', kind: 'drop' });
    await expect(client.send(put('second'))).rejects.toThrow();
    expect((await client.send(read())).SecretString).toBe('second');
  });

  test("that drops a connection is met by the SDK's own retry with the same token", async () => {
    const { url, service } = await withSecret();
    service.faults.set({ operation: 'PutSecretValue', nth: 1, when: 'after', kind: 'drop' });
    const retrying = clientOf(url, 2);
    await retrying.send(put('second'));
    retrying.destroy();
    expect(service.calls.counts).toEqual({ PutSecretValue: 2 });
    expect(Object.values(service.state.secrets)[0]?.versions).toMatchObject({});
    expect(Object.keys(Object.values(service.state.secrets)[0]?.versions ?? {})).toHaveLength(2);
  });

  test('can throttle, and can delay', async () => {
    const { client, service } = await withSecret();
    service.faults.set({ operation: 'GetSecretValue', nth: 1, kind: 'throttle' });
    service.faults.set({ operation: 'GetSecretValue', nth: 2, kind: 'delay', milliseconds: 30 });
    await expect(client.send(read())).rejects.toMatchObject({ name: 'ThrottlingException', message: 'Rate exceeded' });
    const before = performance.now();
    await client.send(read());
    expect(performance.now() - before).toBeGreaterThanOrEqual(29);
  });

  test('for one version hits its reads by id and by stage, and no read of another', async () => {
    const { client, service, first } = await withSecret();
    await client.send(put('second'));
    service.faults.set({ versionId: first, secretId: 'key', kind: 'error', type: 'AccessDeniedException' });
    await expect(client.send(read({ VersionId: first }))).rejects.toThrow();
    await expect(client.send(read({ VersionStage: 'AWSPREVIOUS' }))).rejects.toThrow();
    expect((await client.send(read())).SecretString).toBe('second');
    service.faults.clear();
    expect((await client.send(read({ VersionId: first }))).SecretString).toBe('first');
  });
});

describe('a fresh version that is not seen yet', () => {
  test('answers its first reads as if it were not there', async () => {
    const { client, service } = await withSecret();
    service.faults.set({ kind: 'fresh-version-not-seen', reads: 2 });
    expect((await client.send(read())).SecretString).toBe('first');
    const { VersionId = '' } = await client.send(put('second'));
    await expect(client.send(read({ VersionId }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: `Secrets Manager can't find the specified secret value for VersionId: ${VersionId}`,
    });
    await expect(client.send(read())).rejects.toThrow('for staging label: AWSCURRENT');
    expect((await client.send(read())).SecretString).toBe('second');
  });

  test('may stay unseen for ever', async () => {
    const { client, service } = await withSecret();
    service.faults.set({ kind: 'fresh-version-not-seen', reads: 'for-ever' });
    await client.send(put('second'));
    for (let attempt = 0; attempt < 5; attempt += 1) await expect(client.send(read())).rejects.toThrow();
    service.faults.clear();
    expect((await client.send(read())).SecretString).toBe('second');
  });
});

test('the log of calls tells operations, versions and outcomes, and never a value', async () => {
  const { client, service, first } = await withSecret();
  await client.send(put('VALUE-CANARY'));
  await client.send(read({ VersionId: first }));
  await expect(client.send(read({ VersionStage: 'none' }))).rejects.toThrow();
  expect(service.calls.counts).toEqual({ PutSecretValue: 1, GetSecretValue: 2 });
  expect(service.calls.calls.map(({ operation, outcome, by }) => [operation, outcome, by])).toEqual([
    ['PutSecretValue', 'ok', 'caller'],
    ['GetSecretValue', 'ok', 'caller'],
    ['GetSecretValue', 'ResourceNotFoundException', 'caller'],
  ]);
  expect(service.calls.calls[1]?.versionId).toBe(first);
  expect(JSON.stringify(service.calls.calls)).not.toContain('CANARY');
});

test.each([
  [5, 'JSON object'],
  [{ kind: 'explode' }, 'kind must be one of'],
  [{ kind: 'error', nth: 0 }, 'counts from 1'],
  [{ kind: 'error', nth: 1.5 }, 'nth must be a whole number'],
  [{ kind: 'error', operation: 5 }, 'operation must be a string'],
  [{ kind: 'error', status: 200 }, 'status must be'],
  [{ kind: 'error', when: 'never' }, 'when must be'],
  [{ kind: 'error', opration: 'x' }, 'no member opration'],
  [{ kind: 'fresh-version-not-seen', reads: -1 }, 'reads must be'],
  [{ kind: 'fresh-version-not-seen', reads: 1, operation: 'GetSecretValue' }, 'no member operation'],
  [{ kind: 'throttle', operation: 'GetSecretValu' }, 'no operation GetSecretValu'],
  [{ kind: 'throttle', operation: 'constructor' }, 'no operation constructor'],
  [{ kind: 'throttle', message: 'x' }, 'no member message'],
  [{ kind: 'drop', milliseconds: 5 }, 'no member milliseconds'],
  [{ kind: 'delay' }, 'milliseconds must be'],
  [{ kind: 'delay', milliseconds: 2 ** 31 }, 'milliseconds must be'],
  [{ kind: 'error', type: '' }, 'type must not be empty'],
])('%j is no fault', (value, why) => {
  expect(() => parseFault(value)).toThrow(why);
});
