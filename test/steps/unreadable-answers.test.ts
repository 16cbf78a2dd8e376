import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { secretsManager } from '../../src/secret/secrets-manager.ts';

const KEY = 'Q2FuYXJ5S2V5Q2FuYXJ5S2V5Q2FuYXJ5S2V5Q2FuYXI=';
const TOKEN = 'canary-rotation-token-0123456789-abcdefgh';

let server: Server | undefined;
let client: SecretsManagerClient | undefined;

afterEach(() => {
  client?.destroy();
  server?.close();
});

async function serviceThatAnswers(answer: RequestListener) {
  const listening = createServer(answer);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  client = new SecretsManagerClient({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  });
  return secretsManager(client, () => 10_000);
}

async function failureOf(call: Promise<unknown>): Promise<Error> {
  return call.then(
    () => {
      throw new Error('the call succeeded');
    },
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );
}

test('an answer that is no JSON is named, and nothing of it is quoted', async () => {
  const secrets = await serviceThatAnswers((_, response) => response.end(`{"SecretString":${KEY}`));
  const error = await failureOf(secrets.getSecretValue({ SecretId: 'key' }));
  expect(error).toMatchObject({ code: 'CANNOT_REACH_AWS' });
  expect(error.message).toContain('Secrets Manager (SyntaxError). ');
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(KEY.slice(0, 6));
});

test('a refusal of the input that repeats it is passed on by its name alone', async () => {
  const secrets = await serviceThatAnswers((_, response) => {
    response.statusCode = 400;
    response.end(JSON.stringify({ __type: 'ValidationException', Message: `Value '${TOKEN}' with '${KEY}' failed` }));
  });
  const error = await failureOf(
    secrets.putSecretValue({ SecretId: 'key', SecretString: KEY, RotationToken: TOKEN, ClientRequestToken: TOKEN }),
  );
  expect(error.name).toBe('ValidationException');
  expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(new RegExp(`${TOKEN}|${KEY}`));
});

test('a connection that breaks is identified by name', async () => {
  const secrets = await serviceThatAnswers((request) => request.socket.destroy());
  const error = await failureOf(secrets.describeSecret({ SecretId: 'key' }));
  expect(error).toMatchObject({ code: 'CANNOT_REACH_AWS' });
  expect(error.message).toMatch(/^Cannot reach AWS Secrets Manager \(\w+/);
});
