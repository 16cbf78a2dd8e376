import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import {
  CreateSecretCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';

const SECRET = 'bench/encryption-key';
const ROTATION_LAMBDA = 'arn:aws:lambda:us-east-1:123456789012:function:rotation';

/** On Node 20 the SDK says that it will drop it. Saying so takes 5 ms, and no Lambda of ours runs on Node 20. */
const NO_WARNING = { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true' };
Object.assign(process.env, NO_WARNING);

/**
 * Starts the built local service and brings a secret to where setSecret has nothing left to do: rotated once by the
 * built Lambda, so that all its keys are numbered, with a fresh pending version. The step is one call, DescribeSecret,
 * and can be run any number of times.
 */
export async function prepareStep() {
  const { url, close } = await startService();
  const environment = {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'bench',
    AWS_SECRET_ACCESS_KEY: 'bench',
    AWS_SESSION_TOKEN: 'bench',
    AWS_LAMBDA_FUNCTION_NAME: 'bench',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    ...NO_WARNING,
  };
  try {
    return { event: await prepareSecret(url), environment, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startService() {
  const child = spawn(process.execPath, ['dist/local/local.mjs', '--port', '0', '--no-notices'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const close = async () => {
    child.kill();
    await ended;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const url = /http:\S+/.exec(line)?.[0];
    if (url !== undefined) return { url, close };
  }
  throw new Error('dist/local/local.mjs did not start; see what it says when it is run by itself');
}

async function prepareSecret(endpoint) {
  const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };
  const client = new SecretsManagerClient({ endpoint, region: 'us-east-1', credentials });
  const token = randomUUID();
  await client.send(new CreateSecretCommand({ Name: SECRET, SecretString: key() }));
  await client.send(
    new RotateSecretCommand({
      SecretId: SECRET,
      RotationLambdaARN: ROTATION_LAMBDA,
      RotationRules: { AutomaticallyAfterDays: 365 },
    }),
  );
  await globalThis.fetch(`${endpoint}/_local/idle`);
  await client.send(
    new PutSecretValueCommand({
      SecretId: SECRET,
      ClientRequestToken: token,
      SecretString: key(),
      VersionStages: ['AWSPENDING'],
    }),
  );
  client.destroy();
  return { Step: 'setSecret', SecretId: SECRET, ClientRequestToken: token };
}

function key() {
  return randomBytes(32).toString('base64');
}
