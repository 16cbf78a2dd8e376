import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { AWS_JSON, errorBody, readHeaders, readInput } from '../../../src/local/http/aws-json.ts';
import type { JsonObject } from '../../../src/local/json.ts';
import type { LocalSecretsManager } from '../../../src/local/local-secrets-manager.ts';
import { ServiceError } from '../../../src/local/service/service-error.ts';

interface Request {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The real SDK without a socket, which takes two thirds of a call's time. `url` is what it takes for the endpoint. */
export function inProcessClient(service: LocalSecretsManager, url: string, accessKeyId = 'test'): SecretsManagerClient {
  const handle = async (request: Request) => ({ response: await answerTo(service, request) });
  return new SecretsManagerClient({
    endpoint: url,
    region: service.region,
    credentials: { accessKeyId, secretAccessKey: 'test' },
    maxAttempts: 1,
    requestHandler: {
      metadata: { handlerProtocol: 'http/1.1' },
      handle,
      updateHttpClientConfig: () => undefined,
      httpHandlerConfigs: () => ({}),
    },
  });
}

/** As http-server.ts answers. What ends a connection there is thrown, as an error of the network is. */
async function answerTo(service: LocalSecretsManager, { method, headers, body }: Request) {
  try {
    const { operation, caller } = readHeaders(method, headers);
    const input = readInput(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
    return response(200, await service.call(operation, input, caller));
  } catch (error) {
    if (error instanceof ServiceError) return response(error.status, errorBody(error));
    throw error;
  }
}

function response(statusCode: number, body: JsonObject) {
  return { statusCode, headers: { 'content-type': AWS_JSON }, body: Buffer.from(JSON.stringify(body)) };
}
