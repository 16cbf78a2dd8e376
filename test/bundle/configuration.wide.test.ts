import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { builtPrograms } from '../support/built.ts';
import { buildUntrimmed, copyAlone, emptyFolder, runStep, type Outcome } from './support/built-lambda.ts';

const FIPS = { AWS_USE_FIPS_ENDPOINT: 'true' };
const DUAL_STACK = { AWS_USE_DUALSTACK_ENDPOINT: 'true' };

let folder: Awaited<ReturnType<typeof emptyFolder>>;
let bundle: string;
let untrimmed: string;

beforeAll(async () => {
  folder = await emptyFolder();
  untrimmed = join(folder.path, 'untrimmed.cjs');
  await buildUntrimmed(untrimmed);
  bundle = await copyAlone(await builtPrograms(), join(folder.path, 'alone'));
});

afterAll(() => folder.remove());

describe('the built Lambda is configured by its environment', () => {
  test.each<[string, Record<string, string>, string]>([
    ['a region', {}, 'secretsmanager.eu-central-1.amazonaws.com'],
    ['China', { AWS_REGION: 'cn-north-1' }, 'secretsmanager.cn-north-1.amazonaws.com.cn'],
    ['GovCloud', { AWS_REGION: 'us-gov-west-1' }, 'secretsmanager.us-gov-west-1.amazonaws.com'],
    ['the European sovereign cloud', { AWS_REGION: 'eusc-de-east-1' }, 'secretsmanager.eusc-de-east-1.amazonaws.eu'],
    ['FIPS', { AWS_REGION: 'us-east-1', ...FIPS }, 'secretsmanager-fips.us-east-1.amazonaws.com'],
    ['FIPS in GovCloud', { AWS_REGION: 'us-gov-west-1', ...FIPS }, 'secretsmanager-fips.us-gov-west-1.amazonaws.com'],
    // Secrets Manager's own names answer on IPv6 too; where a partition has other names for that, those are taken.
    ['dual stack', DUAL_STACK, 'secretsmanager.eu-central-1.amazonaws.com'],
    [
      'dual stack in another partition',
      { AWS_REGION: 'us-iso-east-1', ...DUAL_STACK },
      'secretsmanager.us-iso-east-1.api.aws.ic.gov',
    ],
    ['dual stack in China', { AWS_REGION: 'cn-north-1', ...DUAL_STACK }, 'secretsmanager.cn-north-1.amazonaws.com.cn'],
    ['both', { AWS_REGION: 'us-west-2', ...FIPS, ...DUAL_STACK }, 'secretsmanager-fips.us-west-2.amazonaws.com'],
    ['an endpoint for all services', { AWS_ENDPOINT_URL: 'https://all.example' }, 'all.example'],
    [
      'an endpoint for Secrets Manager before that',
      { AWS_ENDPOINT_URL: 'https://all.example', AWS_ENDPOINT_URL_SECRETS_MANAGER: 'https://one.example' },
      'one.example',
    ],
    [
      'endpoints that are to be ignored',
      { AWS_ENDPOINT_URL: 'https://all.example', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' },
      'secretsmanager.eu-central-1.amazonaws.com',
    ],
    ['an application id', { AWS_SDK_UA_APP_ID: 'pazpaz' }, 'secretsmanager.eu-central-1.amazonaws.com'],
    ['the adaptive retry mode', { AWS_RETRY_MODE: 'adaptive' }, 'secretsmanager.eu-central-1.amazonaws.com'],
    ['automatic defaults', { AWS_DEFAULTS_MODE: 'auto' }, 'secretsmanager.eu-central-1.amazonaws.com'],
  ])('%s: it sends what it would with the whole SDK', async (_, environment, host) => {
    const [trimmed, whole] = await Promise.all([runStep(bundle, environment), runStep(untrimmed, environment)]);
    expect(trimmed.requests.map((request) => request.host)).toEqual([host]);
    expect(comparable(trimmed)).toEqual(comparable(whole));
  });

  test('it signs with the session token and for the region', async () => {
    const { requests } = await runStep(bundle, { AWS_REGION: 'ap-south-1' });
    expect(requests[0]?.headers).toMatchObject({
      'x-amz-security-token': 'session-token',
      authorization: expect.stringMatching(
        /Credential=AKIAIOSFODNN7EXAMPLE\/\d{8}\/ap-south-1\/secretsmanager\/aws4_request, .*x-amz-security-token/,
      ) as string,
    });
  });

  test('without credentials it says so, and asks no one for them', async () => {
    const { error, requests } = await runStep(bundle, { AWS_ACCESS_KEY_ID: '' });
    expect(error?.code).toBe('CANNOT_REACH_AWS');
    expect(error?.message).toContain('CredentialsProviderError');
    expect(requests).toEqual([]);
  });
});

describe('a service that never answers', () => {
  let server: Server;

  beforeEach(async () => {
    server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  test('is given up before the time of the function ends', async () => {
    const { port } = server.address() as AddressInfo;
    const endpoint = { AWS_ENDPOINT_URL_SECRETS_MANAGER: `http://127.0.0.1:${port}` };
    const { error } = await runStep(bundle, endpoint, { remaining: 2000 });
    expect(error?.code).toBe('CANNOT_REACH_AWS');
  });

  // The request's own time limit is five seconds: this test really waits for it once.
  test('is asked again when a request hangs, while there is time', async () => {
    const { port } = server.address() as AddressInfo;
    const endpoint = { AWS_ENDPOINT_URL_SECRETS_MANAGER: `http://127.0.0.1:${port}` };
    const asked = jest.fn();
    server.on('request', asked);
    await runStep(bundle, endpoint, { remaining: 8000 });
    expect(asked.mock.calls.length).toBeGreaterThanOrEqual(2);
  });
});

const CHANGING = ['amz-sdk-invocation-id', 'authorization', 'x-amz-date'];

function comparable({ error, requests }: Outcome) {
  return { error, requests: requests.map(({ host, headers }) => ({ host, headers: lasting(headers) })) };
}

/** The SDK's CommonJS files, which the untrimmed bundle holds, tell the version of one release earlier. */
function lasting(headers: Readonly<Record<string, string>>) {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !CHANGING.includes(name))
      .map(([name, value]) => [name, value.replaceAll(/(aws-sdk-js\/|api\/secrets-manager#)[\d.]+/g, '$1')]),
  );
}
