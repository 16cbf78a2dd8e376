import { DescribeSecretCommand, RotateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { limited } from '../../../src/cli/aws/call-limits.ts';
import { clientSettings } from '../../../src/cli/aws/client-settings.ts';
import { operatorSecrets } from '../../../src/cli/aws/operator-secrets.ts';
import { clientFor } from '../../../src/cli/aws/session.ts';
import { sourceInRegion, sourceOf } from '../../../src/keyring/source/secret-source.ts';
import { until } from '../../support/until.ts';
import { giveCredentials } from '../support/operator.ts';

beforeAll(giveCredentials);

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** An endpoint that begins an answer and continues it by `send`, again and again. */
async function endpointThat(send: (response: ServerResponse) => void) {
  let isOpen = false;
  server = createServer((request, response) => {
    request.resume();
    isOpen = true;
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
    const timer = setInterval(() => {
      send(response);
    }, 20);
    response.once('close', () => {
      isOpen = false;
      clearInterval(timer);
    });
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, isOpen: () => isOpen };
}

const LIMITS = { bytes: 100_000, milliseconds: 300, wholeCall: 2000 };

const clientAt = (endpoint: string) =>
  limited(new SecretsManagerClient({ ...clientSettings({}, 'us-east-1'), endpoint }), LIMITS);

test('a command ends an answer that drips byte by byte, and closes the connection', async () => {
  const { endpoint, isOpen } = await endpointThat((response) => response.write(' '));
  const call = operatorSecrets(clientAt(endpoint)).describeSecret({ SecretId: 'x' });
  await expect(call).rejects.toMatchObject({
    code: 'CANNOT_REACH_AWS',
    message: expect.stringContaining('did not end within 0.3 s') as string,
  });
  await until(() => !isOpen());
});

test('a command ends an answer without end, before it fills the memory', async () => {
  const { endpoint, isOpen } = await endpointThat((response) => response.write('x'.repeat(30_000)));
  await expect(operatorSecrets(clientAt(endpoint)).describeSecret({ SecretId: 'x' })).rejects.toMatchObject({
    code: 'CANNOT_REACH_AWS',
    message: expect.stringContaining('longer than 100000 bytes') as string,
  });
  await until(() => !isOpen());
});

test('a command ends a call whose credentials never come', async () => {
  const client = new SecretsManagerClient({ region: 'us-east-1', credentials: () => new Promise(() => undefined) });
  const call = limited(client, { ...LIMITS, wholeCall: 50 }).send(new DescribeSecretCommand({ SecretId: 'x' }));
  await expect(call).rejects.toThrow('within 0.05 s, retries included');
});

test('the client of every command has these limits', () => {
  const names = clientFor({}, 'us-east-1').middlewareStack.identify();
  expect(names.filter((name) => name.startsWith('limit'))).toHaveLength(2);
});

describe('where the clocks are hours apart', () => {
  /** Refuses each request with this error, two hours ahead of this machine. Resolves to how often it was called. */
  async function callsRefusedBy(type: string): Promise<number> {
    let calls = 0;
    server = createServer((request, response) => {
      request.resume();
      calls += 1;
      const Date = new global.Date(global.Date.now() + 2 * 3_600_000).toUTCString();
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1', Date });
      response.end(JSON.stringify({ __type: type, Message: 'refused' }));
    });
    await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const client = clientFor({ endpointUrl: `http://127.0.0.1:${port}` }, 'us-east-1');
    await expect(client.send(new RotateSecretCommand({ SecretId: 'x' }))).rejects.toThrow('refused');
    client.destroy();
    return calls;
  }

  test('a refused call is not sent again', async () => {
    expect(await callsRefusedBy('InvalidRequestException')).toBe(1);
  });

  test('a call whose signature is refused is signed by the corrected clock and sent again', async () => {
    expect(await callsRefusedBy('InvalidSignatureException')).toBeGreaterThan(1);
  });
});

test('the ring of an application ends an answer without end', async () => {
  const { endpoint, isOpen } = await endpointThat((response) => response.write('x'.repeat(300_000)));
  process.env['AWS_ENDPOINT_URL_SECRETS_MANAGER'] = endpoint;
  const source = await sourceInRegion('us-east-1', 'x', 10_000);
  await expect(source.describe(new AbortController().signal)).rejects.toThrow('longer than 1000000 bytes');
  await until(() => !isOpen());
  source.close();
});

test("so does a ring whose client is the application's, and the application's own calls are not limited", async () => {
  const { endpoint, isOpen } = await endpointThat((response) => response.write('x'.repeat(300_000)));
  const client = new SecretsManagerClient({ region: 'us-east-1', endpoint });
  const source = await sourceOf(client, 'x', 10_000);
  await expect(source.describe(new AbortController().signal)).rejects.toThrow('longer than 1000000 bytes');
  await expect(source.read('y', new AbortController().signal)).rejects.toThrow('longer than 1000000 bytes');
  await until(() => !isOpen());
  expect(client.middlewareStack.identify().filter((name) => name.startsWith('limit'))).toEqual([]);
  client.destroy();
});
