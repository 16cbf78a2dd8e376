import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { startLocalService, type LocalService, type StartOptions } from '../../../src/local/start.ts';

export interface RunningService extends LocalService {
  /** The real SDK, talking to it over HTTP; it does not retry unless a test asks it to. */
  readonly client: SecretsManagerClient;
}

const running: RunningService[] = [];

/** Starts a service for one test; `stopServices` in `afterEach` ends it. */
export async function startService(options: StartOptions = {}): Promise<RunningService> {
  const local = await startLocalService({ retryPause: 0, ...options });
  const service = { ...local, client: clientOf(local.url, 1, options.region) };
  running.push(service);
  return service;
}

export async function stopServices(): Promise<void> {
  await Promise.all(
    running.splice(0).map(async ({ client, close }) => {
      client.destroy();
      await close();
    }),
  );
}

export function clientOf(url: string, maxAttempts = 1, region = 'us-east-1'): SecretsManagerClient {
  return new SecretsManagerClient({
    endpoint: url,
    region,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts,
  });
}

/** A raw request as AWS JSON 1.1, for what no SDK would send. */
export function post(
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'secretsmanager.ListSecrets',
      authorization:
        'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=0',
      ...headers,
    },
  });
}
