import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CreateSecretCommand, DescribeSecretCommand, RotateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { builtPrograms } from '../support/built.ts';
import { clientOf } from './support/running-service.ts';
import { LAMBDA_ARN } from './support/simple-lambda.ts';

const FIXTURE = join(__dirname, 'support/obedient-lambda.mjs');
const STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'];

let folder = '';
let programs = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'main-'));
  programs = await builtPrograms();
});
afterAll(() => rm(folder, { recursive: true }));

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function local(...args: string[]) {
  const child = spawn(process.execPath, [join(programs, 'local/local.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (line) => lines.push(line));
  const ended = once(child, 'close').then(([code]: unknown[]) => ({ code, errors, lines }));
  return { child, ended, firstLine: once(output, 'line').then(([line]: unknown[]) => String(line)) };
}

describe('the built command', () => {
  test('says where it listens, rotates with the Lambda that it is given, keeps its state and ends cleanly', async () => {
    const stateFile = join(folder, 'state.json');
    const { child, ended, firstLine } = local('--port', '0', '--state', stateFile, '--lambda', FIXTURE);
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(await firstLine)?.[0] ?? '';
    const client = clientOf(url);
    await client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
    await client.send(
      new RotateSecretCommand({
        SecretId: 'key',
        RotationLambdaARN: LAMBDA_ARN,
        RotationRules: { AutomaticallyAfterDays: 365 },
      }),
    );
    await fetch(`${url}/_local/idle`);
    const { VersionIdsToStages } = await client.send(new DescribeSecretCommand({ SecretId: 'key' }));
    expect(Object.values(VersionIdsToStages ?? {})).toContainEqual(['AWSPENDING']);
    expect(await (await fetch(`${url}/_local/rotations`)).json()).toMatchObject({
      rotations: [{ outcome: 'unfinished', attempts: [{ steps: STEPS }] }],
    });
    child.kill('SIGTERM');
    const { code, errors, lines } = await ended;
    client.destroy();
    expect(errors).toBe('');
    expect(code).toBe(0);
    expect(lines.join('\n')).toContain(`export AWS_ENDPOINT_URL_SECRETS_MANAGER=${url} AWS_REGION=us-east-1`);
    expect((await stat(stateFile)).mode & 0o777).toBe(0o600);
  });

  test('keeps its state from a second process, and leaves no lock behind when it is killed', async () => {
    const stateFile = join(folder, 'locked.json');
    const first = local('--port', '0', '--state', stateFile);
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(await first.firstLine)?.[0] ?? '';
    const client = clientOf(url);
    await client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
    expect(await local('--port', '0', '--state', stateFile).ended).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^The state file [^\n]*another process uses it[^\n]*\n$/) as unknown,
    });
    first.child.kill('SIGKILL');
    await first.ended;
    const second = local('--port', '0', '--state', stateFile);
    expect(await second.firstLine).toContain('127.0.0.1');
    client.destroy();
  });

  test('in mid-rotation writes what sam local needs, says what to run, and ends cleanly while it waits', async () => {
    const events = join(folder, 'events');
    const { child, ended } = local('--mid-rotation', events, '--host', '127.0.0.1', '--port', '0');
    const invocations = await new Promise<string[]>((resolve) => {
      const found: string[] = [];
      child.stdout.on('data', (data: Buffer) => {
        found.push(...(data.toString().match(/sam local invoke .*/g) ?? []));
        if (found.length === 4) resolve(found);
      });
    });
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 0, errors: '' });
    const env = join(events, 'env.json');
    expect(invocations[0]).toBe(`sam local invoke -e ${join(events, 'create-secret.json')} --env-vars ${env}`);
    expect(JSON.parse(await readFile(env, 'utf8'))).toEqual({
      KeyRotationFunction: {
        AWS_ENDPOINT_URL_SECRETS_MANAGER: expect.stringMatching(/^http:\/\/[a-z0-9.]+:\d+$/) as unknown,
        SECRET_ARN: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/encryption-key-v1-ByHand',
      },
    });
  });

  test('asked for help gives it, and ends with 0', async () => {
    const { code, lines } = await local('--help').ended;
    expect(code).toBe(0);
    expect(lines.join('\n')).toContain('Usage: npm run local --');
  });

  test('used wrongly says how, and ends with 2', async () => {
    expect(await local('--port', 'http').ended).toMatchObject({
      code: 2,
      errors: expect.stringContaining('whole number') as unknown,
    });
  });

  test('that cannot start says why in one line, and ends with 1', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const busy = await local('--port', port).ended;
    taken.close();
    expect(busy).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^[^\n]*Choose another --port\.\n$/) as unknown,
    });
    const damaged = join(folder, 'damaged.json');
    await writeFile(damaged, '{');
    expect(await local('--port', '0', '--state', damaged).ended).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^The state file [^\n]*not JSON[^\n]*\n$/) as unknown,
    });
    expect(await local('--port', '0', '--lambda', join(folder, 'nowhere')).ended).toMatchObject({
      code: 1,
      errors: expect.stringMatching(/^[^\n]*nowhere[^\n]*\n$/) as unknown,
    });
  });
});
