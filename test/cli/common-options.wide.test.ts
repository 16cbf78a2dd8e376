import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { builtPrograms } from '../support/built.ts';
import { startService, stopServices } from '../local/support/running-service.ts';
import { current, ringWith, SECRET, type TestRing } from '../support/ring.ts';
import { openFrontDoor, type FrontDoor } from './support/regional-proxy.ts';
import { endpointOf, type Ran } from './support/operator.ts';

/* The built tool, in a process of its own: what it takes from its options, from variables and from AWS's own files. */

const OPERATOR = `[operator]
aws_access_key_id = OPERATORKEY
aws_secret_access_key = local
`;
const CONFIG = `[profile operator]
region = eu-west-1
[profile keyless]
region = eu-west-1
`;

let folder: string;
let programs: string;
let door: FrontDoor | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'options-'));
  programs = await builtPrograms();
  await Promise.all([writeFile(join(folder, 'credentials'), OPERATOR), writeFile(join(folder, 'config'), CONFIG)]);
});
afterEach(async () => {
  await door?.close();
  door = undefined;
  await stopServices();
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const KEYS = { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };

/** Runs it with these variables and no others that could say where AWS is or who asks. `to`: where its output goes. */
async function pazpazKeys(
  args: readonly string[],
  variables: Readonly<Record<string, string>>,
  to?: string,
): Promise<Ran> {
  const env = {
    PATH: process.env['PATH'],
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'),
    AWS_CONFIG_FILE: join(folder, 'config'),
    AWS_EC2_METADATA_DISABLED: 'true',
    ...variables,
  };
  const program = [process.execPath, join(programs, 'cli/pazpaz-keys.mjs'), ...args];
  const [file = '', ...words] = to === undefined ? program : ['bash', '-c', `"$@" > ${to}`, 'bash', ...program];
  const child = spawn(file, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number]>,
  ]);
  return { exitCode, stdout, stderr };
}

/** One address for two regions; only us-east-1 has the secret. */
async function twoRegions(): Promise<{ readonly ring: TestRing; readonly url: string }> {
  const ring = await ringWith(current(1));
  const elsewhere = await startService({ region: 'eu-west-1' });
  door = await openFrontDoor({ 'us-east-1': await endpointOf(ring), 'eu-west-1': elsewhere.url });
  return { ring, url: door.url };
}

test('--secret-id, --region and --endpoint-url win over the variables of the same meaning', async () => {
  const { url } = await twoRegions();
  const variables = {
    ...KEYS,
    SECRETS_MANAGER_KEY_NAME: 'pazpaz/other',
    AWS_REGION: 'eu-west-1',
    AWS_ENDPOINT_URL_SECRETS_MANAGER: 'http://127.0.0.1:1',
  };
  const options = ['--secret-id', SECRET, '--region', 'us-east-1', '--endpoint-url', url];
  expect(await pazpazKeys(['status', ...options], variables)).toMatchObject({ exitCode: 0, stderr: '' });
  const elsewhere = await pazpazKeys(['status', ...options, '--region', 'eu-west-1'], variables);
  expect(elsewhere.stderr).toContain(`no secret '${SECRET}' in eu-west-1`);
});

test('a secret that is in the other region of the environment is named there', async () => {
  const { url } = await twoRegions();
  const variables = { ...KEYS, AWS_REGION: 'us-east-1', AWS_DEFAULT_REGION: 'eu-west-1' };
  const options = ['--secret-id', SECRET, '--endpoint-url', url, '--region', 'eu-west-1'];
  const { exitCode, stderr } = await pazpazKeys(['status', ...options], variables);
  expect(exitCode).toBe(1);
  expect(stderr.replace(/\s+/g, ' ')).toContain('is in us-east-1, and not in eu-west-1: pass --region us-east-1.');
});

test('the variables of the application and of AWS suffice', async () => {
  const { url } = await twoRegions();
  const variables = { ...KEYS, SECRETS_MANAGER_KEY_NAME: SECRET, AWS_ENDPOINT_URL_SECRETS_MANAGER: url };
  for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION']) {
    expect(await pazpazKeys(['status'], { ...variables, [name]: 'us-east-1' })).toMatchObject({ exitCode: 0 });
  }
});

test('--profile gives credentials and region', async () => {
  const { url } = await twoRegions();
  const args = ['status', '--secret-id', SECRET, '--endpoint-url', url, '--profile', 'operator'];
  // Its region is eu-west-1, which has no such secret: that it said so means that its credentials were found.
  expect((await pazpazKeys(args, {})).stderr).toContain('SECRET_NOT_FOUND');
  expect(await pazpazKeys([...args, '--region', 'us-east-1'], {})).toMatchObject({ exitCode: 0 });
});

test('--profile gives the endpoint, too, as AWS_PROFILE does', async () => {
  const { url } = await twoRegions();
  const file = join(folder, 'with-endpoint');
  const section =
    '[profile near]\nregion = us-east-1\nservices = ours\naws_access_key_id = a\naws_secret_access_key = b\n';
  await writeFile(file, `${section}[services ours]\nsecrets_manager =\n  endpoint_url = ${url}\n`);
  const args = ['status', '--secret-id', SECRET];
  const near = { AWS_CONFIG_FILE: file };
  expect(await pazpazKeys(args, { ...near, AWS_PROFILE: 'near' })).toMatchObject({ exitCode: 0 });
  const { exitCode, stdout } = await pazpazKeys([...args, '--profile', 'near'], near);
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining(`at ${url}`) as string });
});

test.each(['keyless', ''])(
  'without credentials (profile: %j) it ends with 3 and says how to get some',
  async (name) => {
    const { url } = await twoRegions();
    const profile = name === '' ? [] : ['--profile', name];
    const args = ['status', '--secret-id', SECRET, '--endpoint-url', url, '--region', 'us-east-1', ...profile];
    const { exitCode, stderr } = await pazpazKeys(args, {});
    expect(exitCode).toBe(3);
    expect(stderr).toContain('No credentials were found');
    // Nothing was sent, so the network has no part in it.
    const doctor = await pazpazKeys(['doctor', ...args.slice(1)], {});
    expect(doctor.exitCode).toBe(3);
    expect(doctor.stdout).toContain('aws sts get-caller-identity');
    expect(doctor.stdout).not.toContain('curl');
  },
);

test('a profile that does not exist is wrong usage, also beside credentials of the environment', async () => {
  const args = ['status', '--secret-id', SECRET, '--region', 'us-east-1', '--profile', 'nobody'];
  const { exitCode, stderr } = await pazpazKeys(args, KEYS);
  expect(exitCode).toBe(2);
  expect(stderr.replace(/\s+/g, ' ')).toContain(
    "no profile 'nobody' in AWS's configuration files (--profile). They have: operator, keyless.",
  );
});

test.each([
  ['doctor', '/dev/full', 1, 'the output could not be written (ENOSPC)'],
  ['status', '/dev/full', 1, 'the output could not be written (ENOSPC)'],
  // Anyone who reads only the beginning has seen what they wanted.
  ['doctor', '>(exit)', 0, ''],
])('the output of %s to %s ends with %i', async (command, to, wanted, says) => {
  const { url } = await twoRegions();
  const args = [command, '--secret-id', SECRET, '--region', 'us-east-1', '--endpoint-url', url];
  const { exitCode, stderr } = await pazpazKeys(args, KEYS, to);
  expect(exitCode).toBe(wanted);
  expect(stderr).toContain(says);
});

test.each(['status', 'doctor', 'encrypt', 'census --table patients --column notes'])(
  'without a region %s ends with 2 and says how to name one',
  async (command) => {
    const { exitCode, stderr } = await pazpazKeys([...command.split(' '), '--secret-id', SECRET], KEYS);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('Which region? Name it with --region');
  },
);

test('says nothing of this machine beside what was asked for', async () => {
  const { stdout, stderr, exitCode } = await pazpazKeys(['--help'], {});
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(stdout).toMatch(/^Usage: pazpaz-keys/);
});
