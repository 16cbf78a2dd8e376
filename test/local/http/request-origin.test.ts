import { request } from 'node:http';
import { hostname } from 'node:os';
import { startService, stopServices } from '../support/running-service.ts';

afterEach(stopServices);

type Headers = Readonly<Record<string, string>>;

const AWS_REQUEST = {
  'content-type': 'application/x-amz-json-1.1',
  'x-amz-target': 'secretsmanager.ListSecrets',
  authorization: 'AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request',
};

/** Sends headers as they are: `fetch` would set its own Host. */
function send(
  port: number,
  path: string,
  headers: Headers,
  method = 'POST',
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers: { ...AWS_REQUEST, ...headers } });
    sent.on('response', (response) => {
      let body = '';
      response.on('data', (data: Buffer) => (body += data.toString()));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, body });
      });
    });
    sent.on('error', reject);
    sent.end(method === 'POST' && path === '/' ? '{}' : undefined);
  });
}

/** The statuses of both paths. */
async function statuses(headers: Headers, allowedHosts: readonly string[] = []): Promise<number[]> {
  const { port } = await startService({ allowedHosts });
  const aws = await send(port, '/', headers);
  const control = await send(port, '/_local/state', headers, 'GET');
  return [aws.status, control.status];
}

describe('a request that a web page may have sent is refused on both paths', () => {
  test.each([
    ['of another origin', { origin: 'https://example.com' }],
    ['of an origin that hides its name', { origin: 'null' }],
    ['of the origin of this service', { origin: 'http://127.0.0.1:4566' }],
    ['a form or an image of another site', { 'sec-fetch-site': 'cross-site' }],
    ['a rebound name', { host: 'evil.example:4566' }],
    ['a rebound name without a port', { host: 'evil.example' }],
    ['a name that begins as an address does', { host: '127.0.0.1.evil.example' }],
    ['a name that ends as a known one does', { host: 'not-localhost' }],
    ['two hosts in one', { host: '127.0.0.1:80@evil.example' }],
  ])('%s', async (_what, headers) => {
    expect(await statuses(headers)).toEqual([403, 403]);
  });

  test('in words, which an SDK shows as an error', async () => {
    const { port } = await startService();
    const { body } = await send(port, '/', { host: 'evil.example' });
    expect(JSON.parse(body)).toEqual({
      __type: 'AccessDeniedException',
      Message: expect.stringContaining('--allow-host') as unknown,
      error: expect.stringContaining('--allow-host') as unknown,
    });
  });
});

describe('a request of a program passes', () => {
  test.each([
    '127.0.0.1:4566',
    '172.17.0.1',
    '[::1]:4566',
    'localhost:4566',
    'LOCALHOST',
    'localhost.',
    'host.docker.internal:4566',
    hostname(),
  ])('to %s', async (host) => {
    expect(await statuses({ host })).toEqual([200, 200]);
  });

  test('to a name that the service was started with', async () => {
    expect(await statuses({ host: 'secrets.internal:4566' }, ['Secrets.internal'])).toEqual([200, 200]);
  });

  test('that a person typed into a browser', async () => {
    expect(await statuses({ 'sec-fetch-site': 'none' })).toEqual([200, 200]);
  });
});
