import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { text } from 'node:stream/consumers';
import { post, stopServices } from '../../local/support/running-service.ts';
import { Authority } from '../../postgres/support/certificates.ts';
import { builtPrograms } from '../../support/built.ts';
import { startProxy, stopProxies } from '../../support/connect-proxy.ts';
import { current, ringWith, SECRET } from '../../support/ring.ts';
import { endpointOf, type Ran } from '../support/operator.ts';

/* The built tool in a process of its own, on a network where only a proxy leads to AWS. */

const run = promisify(execFile);
const AWS = 'secretsmanager.us-east-1.amazonaws.com';
const START_URL = 'https://clinic.awsapps.com/start';
const CONFIG = `[profile sso]
region = us-east-1
sso_start_url = ${START_URL}
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = Operator
`;

const authority = new Authority();
let folder: string;
let aws: Server;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proxy-'));
  const cache = join(folder, '.aws', 'sso', 'cache');
  await mkdir(cache, { recursive: true });
  const token = { accessToken: 'token', expiresAt: '2999-01-01T00:00:00Z', startUrl: START_URL, region: 'us-east-1' };
  await Promise.all([
    writeFile(join(folder, 'ca.pem'), authority.cert),
    writeFile(join(folder, '.aws', 'config'), CONFIG),
    writeFile(join(cache, `${createHash('sha1').update(START_URL).digest('hex')}.json`), JSON.stringify(token)),
  ]);
});
afterEach(async () => {
  stopProxies();
  aws.closeAllConnections();
  aws.close();
  await stopServices();
});
afterAll(() => rm(folder, { recursive: true }));

/** AWS with a certificate of its name, on a port of this machine. */
async function awsWithRing(): Promise<number> {
  const url = await endpointOf(await ringWith(current(1)));
  aws = createServer(authority.certify(AWS), (request, response) => {
    const answer = async () => {
      const target = String(request.headers['x-amz-target']);
      const { status, body } = await post(url, await text(request), { 'x-amz-target': target }).then(async (got) => ({
        status: got.status,
        body: await got.text(),
      }));
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(body);
    };
    void answer();
  }).listen(0, '127.0.0.1');
  await once(aws, 'listening');
  return (aws.address() as AddressInfo).port;
}

async function status(variables: Readonly<Record<string, string>>): Promise<Ran> {
  const env = {
    PATH: process.env['PATH'],
    HOME: folder,
    AWS_REGION: 'us-east-1',
    AWS_EC2_METADATA_DISABLED: 'true',
    NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
    ...variables,
  };
  const command = [join(await builtPrograms(), 'cli/pazpaz-keys.mjs'), 'status', '--secret-id', SECRET];
  return run(process.execPath, command, { env }).then(
    ({ stdout, stderr }) => ({ exitCode: 0, stdout, stderr: oneLine(stderr) }),
    (error: unknown) => {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { exitCode: code, stdout, stderr: oneLine(stderr) };
    },
  );
}

/** Without the breaks of the screen. */
const oneLine = (said: string) => said.replace(/\s+/g, ' ').trim();

const KEYS = { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local' };

test('a command calls AWS through HTTPS_PROXY, and trusts no one but AWS behind it', async () => {
  const proxy = await startProxy(await awsWithRing());
  const variables = { ...KEYS, HTTPS_PROXY: `http://me:geheim@${proxy.host}` };
  const { exitCode, stdout, stderr } = await status(variables);
  expect([exitCode, stderr]).toEqual([0, '']);
  expect(stdout).toContain('key-v1 AWSCURRENT');
  expect(new Set(proxy.targets)).toEqual(new Set([`${AWS}:443`]));

  const mistrusting = await status({ ...variables, NODE_EXTRA_CA_CERTS: '' });
  expect(mistrusting.exitCode).not.toBe(0);
  expect(mistrusting.stderr).toContain('NODE_EXTRA_CA_CERTS');
});

test('NO_PROXY is honoured, and a variable that names no proxy is refused', async () => {
  const proxy = await startProxy(await awsWithRing());
  const direct = await status({ ...KEYS, HTTPS_PROXY: `http://${proxy.host}`, NO_PROXY: 'localhost,.amazonaws.com' });
  expect(direct.stderr).toContain('Cannot reach AWS Secrets Manager');
  expect(proxy.targets).toEqual([]);

  const wrong = await status({ ...KEYS, https_proxy: 'socks5://me:geheim@127.0.0.1:1' });
  expect(wrong.stderr).toContain('https_proxy must hold the address of an HTTP proxy');
  expect(wrong.stderr + wrong.stdout).not.toContain('geheim');
});

test.each([
  [407, 'did not accept the caller (407)', 'Put its user name and password into HTTPS_PROXY'],
  [403, `refused the connection to ${AWS} (403)`, `add ${AWS} to NO_PROXY`],
])('a proxy that answers %i has its own sentence and next step', async (answer, found, step) => {
  const proxy = await startProxy(await awsWithRing(), () => answer);
  const { exitCode, stdout, stderr } = await status({ ...KEYS, HTTPS_PROXY: `http://me:geheim@${proxy.host}` });
  expect(stderr).toContain(found);
  expect(stderr).toContain(step);
  expect(stderr + stdout).not.toContain('geheim');
  expect(exitCode).toBe(3);
});

test('a proxy that is not there has its own sentence', async () => {
  await awsWithRing();
  const { stderr } = await status({ ...KEYS, HTTPS_PROXY: 'http://127.0.0.1:1' });
  expect(stderr).toContain('the proxy 127.0.0.1:1 of HTTPS_PROXY was not reached (Error: ECONNREFUSED)');
});

test('the credentials of IAM Identity Center are fetched through the proxy, too', async () => {
  const proxy = await startProxy(await awsWithRing(), (target) => (target.startsWith('portal.sso.') ? 403 : 200));
  const { stderr } = await status({ AWS_PROFILE: 'sso', HTTPS_PROXY: `http://${proxy.host}` });
  expect(proxy.targets[0]).toBe('portal.sso.us-east-1.amazonaws.com:443');
  expect(stderr).toContain('refused the connection to portal.sso.us-east-1.amazonaws.com (403)');
});
