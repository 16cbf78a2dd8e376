import { once } from 'node:events';
import { createServer } from 'node:net';
import { sourceInRegion } from '../../../src/keyring/source/secret-source.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { startProxy, stopProxies } from '../../support/connect-proxy.ts';
import { closeServersInFront, serverInFrontOf } from '../support/server-in-front.ts';
import { current, ringWith, SECRET } from '../../support/ring.ts';
import { endpointOf, giveCredentials } from '../../cli/support/operator.ts';

const ENDPOINT = 'http://secrets.example';
const VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'AWS_ENDPOINT_URL_SECRETS_MANAGER'] as const;

beforeAll(giveCredentials);
beforeEach(() => {
  process.env['AWS_ENDPOINT_URL_SECRETS_MANAGER'] = ENDPOINT;
});
afterEach(async () => {
  for (const name of VARIABLES) Reflect.deleteProperty(process.env, name);
  stopProxies();
  closeServersInFront();
  await stopServices();
});

async function portOfService(): Promise<number> {
  // The local service answers to its own host name only.
  const front = await serverInFrontOf(await endpointOf(await ringWith(current(1))), () => undefined);
  return Number(new URL(front).port);
}

async function described() {
  const source = await sourceInRegion('us-east-1', SECRET, 5000);
  try {
    return await source.describe(new AbortController().signal);
  } finally {
    source.close();
  }
}

test('the ring of an application calls AWS through the proxy of HTTP_PROXY', async () => {
  const proxy = await startProxy(await portOfService());
  process.env['HTTP_PROXY'] = `http://me:geheim@${proxy.host}`;
  expect((await described()).VersionIdsToStages).toBeDefined();
  expect(proxy.targets).toEqual(['secrets.example:80']);
  expect(proxy.authorizations).toEqual([`Basic ${Buffer.from('me:geheim').toString('base64')}`]);
});

test('NO_PROXY is honoured', async () => {
  const proxy = await startProxy(await portOfService());
  process.env['HTTP_PROXY'] = `http://${proxy.host}`;
  process.env['NO_PROXY'] = 'example';
  await expect(described()).rejects.toThrow(/ENOTFOUND|EAI_AGAIN/);
  expect(proxy.targets).toEqual([]);
});

test('this machine is never reached through a proxy', async () => {
  process.env['HTTP_PROXY'] = 'http://127.0.0.1:1';
  process.env['AWS_ENDPOINT_URL_SECRETS_MANAGER'] = `http://127.0.0.1:${await portOfService()}`;
  expect((await described()).VersionIdsToStages).toBeDefined();
});

test.each([
  [407, 'did not accept the caller (407). Put its user name and password into HTTPS_PROXY'],
  [403, 'refused the connection to secrets.example (403). Allow this target there'],
  [502, 'refused the connection to secrets.example (502)'],
  [0, 'was not reached (no answer in time). Check HTTPS_PROXY'],
])('a proxy that answers %i has its own sentence, without its password', async (status, sentence) => {
  const proxy = await startProxy(1, () => status);
  process.env['HTTPS_PROXY'] = `http://me:geheim@${proxy.host}`;
  process.env['AWS_ENDPOINT_URL_SECRETS_MANAGER'] = 'https://secrets.example';
  const failure: unknown = await described().catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'CANNOT_REACH_AWS' });
  expect(String(failure)).toContain(`the proxy ${proxy.host} of HTTPS_PROXY ${sentence}`);
  expect(String(failure)).not.toContain('geheim');
  expect(proxy.targets).toEqual(['secrets.example:443']);
});

test('a proxy that is not there has its own sentence', async () => {
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const address = closed.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  closed.close();
  process.env['HTTPS_PROXY'] = `http://127.0.0.1:${port}`;
  process.env['AWS_ENDPOINT_URL_SECRETS_MANAGER'] = 'https://secrets.example';
  await expect(described()).rejects.toThrow(`127.0.0.1:${port} of HTTPS_PROXY was not reached (`);
});

test('a variable that names no proxy is refused, and not shown', async () => {
  process.env['HTTPS_PROXY'] = 'socks5://me:geheim@proxy.example';
  const failure: unknown = await described().catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'INVALID_SETTINGS' });
  expect(String(failure)).not.toContain('geheim');
});
