import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  RotateSecretCommand,
} from '@aws-sdk/client-secrets-manager';
import { startLocalService } from '../../src/local/start.ts';
import { clientOf, startService, stopServices } from './support/running-service.ts';
import { LAMBDA_ARN } from './support/simple-lambda.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'local-'));
});
afterEach(async () => {
  await stopServices();
  await rm(folder, { recursive: true });
});

describe('a service with a state file', () => {
  test('has written a change before it answers', async () => {
    const stateFile = join(folder, 's.json');
    const { client } = await startService({ stateFile });
    await client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
    expect(await readFile(stateFile, 'utf8')).toContain('"name":"key"');
  });

  test('goes on where an earlier one ended, at the time that it had reached', async () => {
    const stateFile = join(folder, 's.json');
    const before = await startService({ stateFile });
    await before.client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
    await before.service.advance(365 * 86_400_000);
    const then = before.service.clock.now();
    await before.close();
    const { client, service } = await startService({ stateFile });
    expect(service.clock.now()).toBeGreaterThanOrEqual(then);
    expect((await client.send(new GetSecretValueCommand({ SecretId: 'key' }))).SecretString).toBe('first');
  });

  test('does not start on a damaged one, and leaves it alone', async () => {
    const stateFile = join(folder, 's.json');
    await writeFile(stateFile, '{"format":');
    await expect(startLocalService({ stateFile })).rejects.toThrow('not JSON');
    expect(await readFile(stateFile, 'utf8')).toBe('{"format":');
  });

  test('in a folder that does not exist does not start', async () => {
    await expect(startLocalService({ stateFile: join(folder, 'gone', 's.json') })).rejects.toThrow('ENOENT');
  });

  test('that is in use does not start, and the other one goes on', async () => {
    const stateFile = join(folder, 's.json');
    const { client } = await startService({ stateFile });
    await expect(startLocalService({ stateFile })).rejects.toThrow('another process uses it');
    await client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
  });

  test('that did not start can be started again', async () => {
    const stateFile = join(folder, 's.json');
    const { port } = await startService();
    await expect(startLocalService({ stateFile, port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await startService({ stateFile });
  });

  test('that cannot be written answers so, takes the change back, and works again when it can', async () => {
    const inner = join(folder, 'inner');
    await mkdir(inner);
    const { url, client } = await startService({ stateFile: join(inner, 's.json') });
    const create = new CreateSecretCommand({ Name: 'key', SecretString: 'first', ClientRequestToken: 'a'.repeat(32) });
    await rename(inner, join(folder, 'away'));
    const retrying = clientOf(url, 2);
    await expect(retrying.send(create)).rejects.toMatchObject({
      name: 'InternalServiceError',
      message: expect.stringContaining('state file') as unknown,
    });
    retrying.destroy();
    await expect(client.send(new DescribeSecretCommand({ SecretId: 'key' }))).rejects.toThrow("can't find");
    await rename(join(folder, 'away'), inner);
    await client.send(create);
    expect(await readFile(join(inner, 's.json'), 'utf8')).toContain('"name":"key"');
  });
});

test('a Lambda in a process of its own is given every event of a rotation', async () => {
  const lines: string[] = [];
  const { client, service } = await startService({
    tries: 1,
    lambda: {
      bundle: join(__dirname, 'support/obedient-lambda.mjs'),
      runner: join(__dirname, '../../src/local/lambda/lambda-runner.mjs'),
      environment: { FIXTURE_LOGS: 'yes' },
      log: (line) => lines.push(line),
    },
  });
  await client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
  await client.send(
    new RotateSecretCommand({
      SecretId: 'key',
      RotationLambdaARN: LAMBDA_ARN,
      RotationRules: { AutomaticallyAfterDays: 1 },
    }),
  );
  await service.idle();
  expect(service.history.records).toMatchObject([
    { outcome: 'unfinished', attempts: [{ steps: ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] }] },
  ]);
  expect(lines).toEqual(['createSecret', 'setSecret', 'testSecret', 'finishSecret']);
});

test.each([
  ['whose file is not there', { bundle: '/nowhere/handler.js', runner: '/nowhere/lambda-runner.mjs' }],
  ['behind an address where nothing answers', { url: 'http://127.0.0.1:1' }],
])('RotateSecret with a function %s is refused, and changes nothing', async (_what, lambda) => {
  const { client, service } = await startService({ lambda });
  await client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
  const before = service.state;
  const input = { SecretId: 'key', RotationLambdaARN: LAMBDA_ARN, RotationRules: { AutomaticallyAfterDays: 1 } };
  await expect(client.send(new RotateSecretCommand(input))).rejects.toMatchObject({
    name: 'AccessDeniedException',
    message:
      'Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.',
    $metadata: { httpStatusCode: 400 },
  });
  expect(service.state).toBe(before);
  await expect(client.send(new RotateSecretCommand({ SecretId: 'nothing' }))).rejects.toThrow("can't find");
  await service.idle();
  expect(service.history.records).toEqual([]);
});

test('a port that is taken is an error that names it', async () => {
  const { port } = await startService();
  await expect(startLocalService({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
