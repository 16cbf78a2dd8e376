import { connect } from 'node:net';
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  PutSecretValueCommand,
} from '@aws-sdk/client-secrets-manager';
import fc from 'fast-check';
import { startLocalService } from '../../../src/local/start.ts';
import { clientOf, post, startService, stopServices } from '../support/running-service.ts';

afterEach(stopServices);

describe('the HTTP face, to an SDK', () => {
  test('stores a secret and gives its value back', async () => {
    const { client } = await startService();
    const created = await client.send(new CreateSecretCommand({ Name: 'a/b', SecretString: 'one' }));
    await client.send(new PutSecretValueCommand({ SecretId: 'a/b', SecretBinary: Uint8Array.of(1, 2) }));
    const read = await client.send(new GetSecretValueCommand({ SecretId: 'a/b' }));
    expect(read.ARN).toBe(created.ARN);
    expect(read.SecretBinary).toEqual(Uint8Array.of(1, 2));
    expect(read.CreatedDate).toBeInstanceOf(Date);
    expect(read.$metadata.requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('an error arrives with its name, its message, status 400 and a request id', async () => {
    const { client } = await startService();
    await expect(client.send(new DescribeSecretCommand({ SecretId: 'nothing' }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: "Secrets Manager can't find the specified secret.",
      $metadata: { httpStatusCode: 400, requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown },
    });
  });

  test('dates are those of the moved clock', async () => {
    const { client, service } = await startService();
    await service.advanceTo(Date.UTC(2040, 0, 1));
    const { ARN } = await client.send(new CreateSecretCommand({ Name: 'late', SecretString: 'x' }));
    const { CreatedDate } = await client.send(new DescribeSecretCommand({ SecretId: ARN }));
    expect(CreatedDate?.getUTCFullYear()).toBe(2040);
  });
});

describe('the HTTP face, to a request that is wrong', () => {
  test.each([
    ['no operation of the service', { 'x-amz-target': 'secretsmanager.DropTables' }],
    ['an operation of another service', { 'x-amz-target': 'TrentService.Encrypt' }],
    ['an operation in small letters', { 'x-amz-target': 'secretsmanager.listsecrets' }],
    ['no target at all', { 'x-amz-target': '' }],
  ])('%s is an unknown operation', async (_what, headers) => {
    const { url } = await startService();
    const response = await post(url, '{}', headers);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ __type: 'UnknownOperationException' });
  });

  test.each(['{', '', 'null', '"x"', '{"a":1,}', '\u0000'])('the body %j cannot be read', async (body) => {
    const { url } = await startService();
    const response = await post(url, body);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({ __type: 'SerializationException' });
  });

  test.each([
    ['bytes that are no UTF-8', Buffer.from('{"Name":"a","SecretString":"\xe9"}', 'latin1')],
    ['half of a surrogate pair', Buffer.from('{"Name":"a","SecretString":"\\ud83d"}')],
    ['half of a surrogate pair in a tag', Buffer.from('{"Name":"a","Tags":[{"Key":"\\udc00"}]}')],
  ])('%s are refused: what is read back would be another text', async (_what, body) => {
    const { url, service } = await startService();
    const response = await post(url, body, { 'x-amz-target': 'secretsmanager.CreateSecret' });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ __type: 'SerializationException' });
    expect(service.state.secrets).toEqual({});
  });

  test('a list for a body is named as one', async () => {
    const { url } = await startService();
    expect(await (await post(url, '[]')).json()).toEqual({
      __type: 'SerializationException',
      Message: 'Start of list found where not expected',
    });
  });

  test('without credentials it is refused, as AWS does', async () => {
    const { url } = await startService();
    const response = await fetch(url, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'secretsmanager.ListSecrets' },
    });
    expect(response.status).toBe(400);
    expect(response.headers.get('content-type')).toBe('application/x-amz-json-1.1');
    expect(await response.json()).toEqual({
      __type: 'MissingAuthenticationTokenException',
      Message: 'Missing Authentication Token',
    });
    const odd = await post(url, '{}', { authorization: 'Bearer abc' });
    expect(await odd.json()).toMatchObject({ __type: 'IncompleteSignatureException' });
  });

  test('GET and other media types get what the framework of the service says', async () => {
    const { url } = await startService();
    for (const response of [await fetch(url), await post(url, '{}', { 'content-type': 'text/plain' })]) {
      expect(response.status).toBe(404);
      expect(await response.text()).toBe('<UnknownOperationException/>\n');
    }
  });

  test('a body beyond all limits is refused before it has been sent', async () => {
    const { url, port } = await startService();
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      let text = '';
      socket.on('data', (data) => (text += data.toString()));
      socket.on('error', reject);
      socket.on('close', () => {
        resolve(text);
      });
      socket.write(
        [
          'POST / HTTP/1.1',
          'Host: localhost',
          'Content-Type: application/x-amz-json-1.1',
          'X-Amz-Target: secretsmanager.ListSecrets',
          'Authorization: AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request',
          'Content-Length: 1000000000',
          '',
          '{',
        ].join('\r\n'),
      );
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect((await post(url, '{}')).status).toBe(200);
  });

  test('a long body that does not say its length is refused as well', async () => {
    const { url } = await startService();
    const endless = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(65_536).fill(32));
      },
    });
    const sent = fetch(url, {
      method: 'POST',
      body: endless,
      duplex: 'half',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'secretsmanager.ListSecrets',
        authorization: 'AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request',
      },
    });
    // Whether the client still sees the answer depends on which of the two comes first.
    expect(await sent.then((response) => response.status).catch(() => 413)).toBe(413);
    expect((await post(url, '{}')).status).toBe(200);
  });

  test('no request ends it', async () => {
    const { url, client } = await startService();
    const { port } = new URL(url);
    const operation = fc.constantFrom('GetSecretValue', 'PutSecretValue', 'RotateSecret', 'CreateSecret', '__proto__');
    const body = fc.oneof(
      fc.json(),
      fc.string(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes).toString('latin1')),
    );
    const path = fc.constantFrom(
      '/',
      '/_local/',
      '/_local/faults',
      '/_local/clock',
      '/_local/constructor',
      '/x?y#z',
      '//',
    );
    await fc.assert(
      fc.asyncProperty(operation, body, path, async (name, text, where) => {
        const response = await post(`http://127.0.0.1:${port}${where}`, text, {
          'x-amz-target': `secretsmanager.${name}`,
        });
        expect(response.status).toBeLessThan(500);
        await response.arrayBuffer();
      }),
      { numRuns: 300 },
    );
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), (bytes) => raw(Number(port), bytes)),
      { numRuns: 100 },
    );
    await fetch(`${url}/_local/faults`, { method: 'DELETE' });
    expect((await client.send(new ListSecretsCommand({}))).$metadata.httpStatusCode).toBe(200);
  });
});

test('it closes at once, though clients keep their connections', async () => {
  const local = await startLocalService();
  const client = clientOf(local.url);
  await client.send(new ListSecretsCommand({}));
  await local.close();
  client.destroy();
  await expect(fetch(local.url)).rejects.toThrow();
});

/** Sends bytes that may be no HTTP at all, and hangs up. */
function raw(port: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.end(bytes);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve();
    });
    socket.resume();
  });
}
