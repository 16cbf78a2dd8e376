import { randomUUID } from 'node:crypto';
import { ServiceError } from '../../src/local/service/service-error.ts';
import { isJsonObject, type JsonObject } from '../../src/local/json.ts';
import type { LocalSecretsManager } from '../../src/local/local-secrets-manager.ts';

/*
 * `@aws-sdk/client-secrets-manager` as far as the mutation suite needs it: a client calls the local Secrets Manager in
 * this process. Built in place of the SDK, which takes longer to load than the whole suite to run.
 */

const services = new Map<string, LocalSecretsManager>();

/** Makes a service reachable for clients of this process. */
export function register(service: LocalSecretsManager): { readonly url: string; readonly port: number } {
  const port = 10_000 + services.size;
  const url = `http://127.0.0.1:${port}`;
  services.set(url, service);
  return { url, port };
}

/** Operations whose token the SDK makes where there is none. */
const TAKES_TOKEN = new Set(['CreateSecret', 'PutSecretValue', 'RotateSecret', 'UpdateSecret']);

class ServiceCommand {
  static readonly operation: string = '';
  readonly input: JsonObject;

  constructor(input: JsonObject) {
    this.input = input;
  }
}

const commandFor = (operation: string) =>
  class extends ServiceCommand {
    static override readonly operation = operation;
  };

export const CancelRotateSecretCommand = commandFor('CancelRotateSecret');
export const CreateSecretCommand = commandFor('CreateSecret');
export const DeleteSecretCommand = commandFor('DeleteSecret');
export const DescribeSecretCommand = commandFor('DescribeSecret');
export const GetSecretValueCommand = commandFor('GetSecretValue');
export const ListSecretsCommand = commandFor('ListSecrets');
export const ListSecretVersionIdsCommand = commandFor('ListSecretVersionIds');
export const PutSecretValueCommand = commandFor('PutSecretValue');
export const ReplicateSecretToRegionsCommand = commandFor('ReplicateSecretToRegions');
export const RestoreSecretCommand = commandFor('RestoreSecret');
export const RotateSecretCommand = commandFor('RotateSecret');
export const TagResourceCommand = commandFor('TagResource');
export const UntagResourceCommand = commandFor('UntagResource');
export const UpdateSecretCommand = commandFor('UpdateSecret');
export const UpdateSecretVersionStageCommand = commandFor('UpdateSecretVersionStage');

interface ErrorFields {
  readonly name: string;
  readonly message?: string;
  readonly $fault?: string;
  readonly $metadata?: object;
}

export class SecretsManagerServiceException extends Error {
  readonly $fault: string;
  readonly $metadata: object;

  constructor({ name, message = name, $fault = 'client', $metadata = {} }: ErrorFields) {
    super(message);
    this.name = name;
    this.$fault = $fault;
    this.$metadata = $metadata;
  }
}

export class ResourceNotFoundException extends SecretsManagerServiceException {
  constructor(fields: Partial<ErrorFields>) {
    super({ name: 'ResourceNotFoundException', ...fields });
  }
}

interface ClientConfig {
  readonly endpoint?: string;
  readonly region?: string;
  readonly credentials?: { readonly accessKeyId: string };
}

export class SecretsManagerClient {
  readonly #url: string;
  readonly #accessKeyId: string;
  readonly config: object;
  readonly middlewareStack = { add: () => undefined, addRelativeTo: () => undefined };

  constructor({ endpoint, region = 'us-east-1', credentials }: ClientConfig = {}) {
    this.#url = endpoint ?? process.env['AWS_ENDPOINT_URL_SECRETS_MANAGER'] ?? '';
    this.#accessKeyId = credentials?.accessKeyId ?? process.env['AWS_ACCESS_KEY_ID'] ?? '';
    this.config = {
      endpoint: () => {
        const { hostname, port } = new URL(this.#url);
        return Promise.resolve({ protocol: 'http:', hostname, port: Number(port), path: '/' });
      },
      region: () => Promise.resolve(region),
    };
  }

  async send(command: ServiceCommand): Promise<unknown> {
    const service = services.get(this.#url.replace(/\/$/, ''));
    if (service === undefined) throw new Error(`nothing listens on ${this.#url}`);
    const { operation } = command.constructor as typeof ServiceCommand;
    try {
      const input = TAKES_TOKEN.has(operation) ? { ClientRequestToken: randomUUID(), ...command.input } : command.input;
      const answer = await service.call(operation, sent(input), { accessKeyId: this.#accessKeyId });
      return { ...(received(answer) as object), $metadata: { httpStatusCode: 200, requestId: 'in-process' } };
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      const { type: name, message, status } = error;
      throw new SecretsManagerServiceException({ name, message, $metadata: { httpStatusCode: status } });
    }
  }

  destroy(): void {
    // Nothing is open.
  }
}

/** What goes over the wire: bytes as base64, and nothing that is undefined. */
function sent(input: JsonObject): unknown {
  return JSON.parse(
    JSON.stringify(input, (name, value: unknown) => {
      const bytes: unknown = name === 'SecretBinary' ? input['SecretBinary'] : undefined;
      return bytes instanceof Uint8Array ? Buffer.from(bytes).toString('base64') : value;
    }),
  );
}

/** What the SDK makes of an answer: seconds as dates, base64 as bytes. */
function received(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => received(item));
  if (isJsonObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, received(member, key)]));
  }
  if (name.endsWith('Date') && typeof value === 'number') return new Date(value * 1000);
  return name === 'SecretBinary' && typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'base64')) : value;
}
