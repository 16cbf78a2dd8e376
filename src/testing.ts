import { fileURLToPath } from 'node:url';
import { durationInMilliseconds } from './local/clock.ts';
import { parseFault, type Fault } from './local/faults.ts';
import { startLocalService, type LambdaChoice } from './local/start.ts';

/** As the library's build places them, beside this module. */
const LAMBDA = {
  bundle: fileURLToPath(new URL('../lambda/handler.js', import.meta.url)),
  runner: fileURLToPath(new URL('../lambda/lambda-runner.mjs', import.meta.url)),
  // A process for each step would take most of the time of a test.
  isKeptWarm: true,
};

export type { Fault, LambdaChoice };

export interface SecretsManagerOptions {
  /** Default: any port that is free. */
  readonly port?: number;
  /** Default `us-east-1`. */
  readonly region?: string;
  /** What rotates: a function, an endpoint of the Lambda Invoke API, or a bundle. Default: this package's Lambda. */
  readonly lambda?: LambdaChoice;
}

/** A local Secrets Manager of a test. */
export interface TestSecretsManager {
  /** Such as `http://127.0.0.1:40123`. */
  readonly url: string;
  /** Variables that make the AWS SDKs, the AWS CLI, boto3 and `KeyRing.open` use it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Creates a secret, empty, and rotates it once: key 1 is current. Rejects if the rotation failed. */
  createKeyRing(name: string): Promise<void>;
  /** Rotates a secret now, to the end. Rejects with the reason if the rotation failed. */
  rotate(name: string): Promise<void>;
  /** Moves the clock forward: milliseconds, or a duration such as `'365d'`. Rotations that fall due run on the way. */
  advance(by: number | string): Promise<void>;
  /**
   * Makes calls fail, such as `{ operation: 'GetSecretValue', kind: 'throttle' }`, until `clearFaults`. Throws a
   * `RangeError` for a fault that does not exist.
   */
  setFault(fault: Fault): void;
  clearFaults(): void;
  /** Number of calls by operation. */
  readonly calls: Readonly<Record<string, number>>;
  /** Ends the service and whatever runs in it. */
  close(): Promise<void>;
}

const FUNCTION = 'PazPazKeyRotation';

/**
 * Starts a Secrets Manager for tests in this process, on a port of this machine. Its secrets live in memory. It answers
 * as the real service does, rotates with the real Lambda, and its clock can be moved. Close it after the tests.
 *
 * Rejects with Node's error if the port is taken.
 */
export async function startSecretsManager(options: SecretsManagerOptions = {}): Promise<TestSecretsManager> {
  const { port = 0, region = 'us-east-1', lambda = { ...LAMBDA, log: () => undefined } } = options;
  const { url, service, close } = await startLocalService({ port, region, lambda, retryPause: 0 });
  const lambdaArn = `arn:aws:lambda:${region}:${service.accountId}:function:${FUNCTION}`;

  async function rotate(name: string): Promise<void> {
    const token = crypto.randomUUID();
    await service.call('RotateSecret', {
      SecretId: name,
      ClientRequestToken: token,
      RotationLambdaARN: lambdaArn,
      RotationRules: { AutomaticallyAfterDays: 365 },
    });
    await service.idle();
    const rotation = service.history.records.find((record) => record.token === token);
    if (rotation?.outcome === 'succeeded') return;
    const error = rotation?.attempts.at(-1)?.error;
    const reason = error === undefined ? '' : ` in ${error.step}: ${error.message}`;
    throw new Error(`The rotation of '${name}' did not succeed (${rotation?.outcome ?? 'not begun'})${reason}`);
  }

  return {
    url,
    environment: {
      AWS_ENDPOINT_URL_SECRETS_MANAGER: url,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
    },
    createKeyRing: async (name) => {
      await service.call('CreateSecret', { Name: name, ClientRequestToken: crypto.randomUUID() });
      await rotate(name);
    },
    rotate,
    advance: (by) => service.advance(typeof by === 'number' ? by : durationInMilliseconds(by)),
    setFault: (fault) => {
      service.faults.set(parseFault(fault));
    },
    clearFaults: () => {
      service.faults.clear();
    },
    get calls() {
      return service.calls.counts;
    },
    close,
  };
}
