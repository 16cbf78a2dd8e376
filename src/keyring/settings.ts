import { EXAMPLE_KEY_REFUSED, isExampleKey } from '../format/example-key.ts';
import { isKeyRotationError, KeyRotationError, typeName } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import { invalidKeyText, readKeyValue } from '../format/key-value.ts';

const ENVIRONMENTS = ['local', 'staging', 'production'] as const;

/** Value of the variable `ENVIRONMENT`. */
export type EnvironmentName = (typeof ENVIRONMENTS)[number];

/** Where an application's keys come from. */
export type Settings = EnvironmentSettings | AwsSettings;

/** The environment's key alone. AWS is never called. */
export interface EnvironmentSettings {
  readonly keySource: 'environment';
  readonly environment: 'local';
  readonly environmentKey: KeyMaterial;
}

/** The key ring in AWS Secrets Manager. */
export interface AwsSettings {
  readonly keySource: 'aws';
  readonly environment: EnvironmentName;
  readonly region: string;
  /** Name or ARN of the secret. */
  readonly secretId: string;
  /** The key to use while AWS has not returned one yet. */
  readonly environmentKey: KeyMaterial | undefined;
}

/**
 * Reads the settings from environment variables (default: those of this process). An empty variable counts as unset.
 *
 * | `ENVIRONMENT`  | key ring                                               | fallback                      |
 * | -------------- | ------------------------------------------------------ | ----------------------------- |
 * | `local`        | `ENCRYPTION_MASTER_KEY`; AWS if its name is given, too | with AWS: the environment key |
 * | `staging`      | AWS: `AWS_REGION`, `SECRETS_MANAGER_KEY_NAME`          | `ENCRYPTION_MASTER_KEY`       |
 * | `production`   | as for `staging`                                       | as for `staging`, and warned  |
 *
 * Throws `INVALID_SETTINGS`, which names the variable and never shows a key. Quotation marks, white space and carriage
 * returns are refused, because an `--env-file` keeps them and no secret has such a name. The setup guide's example key
 * is refused except for `local`.
 */
export function loadSettings(env: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const environment = environmentName(env);
  const secretId = spelledOf(env, 'SECRETS_MANAGER_KEY_NAME');
  const environmentKey = environmentKeyOf(env);
  if (environment !== 'local' && environmentKey !== undefined && isExampleKey(environmentKey)) {
    throw invalid(`ENCRYPTION_MASTER_KEY ${EXAMPLE_KEY_REFUSED}`);
  }
  if (environment === 'local' && secretId === undefined) {
    if (environmentKey !== undefined) return { keySource: 'environment', environment, environmentKey };
    throw invalid(
      'ENCRYPTION_MASTER_KEY must be set where ENVIRONMENT is local, but is not. Set it to a key that you made ' +
        '(openssl rand -base64 32), or set AWS_REGION and SECRETS_MANAGER_KEY_NAME to try a secret in AWS.',
    );
  }
  return {
    keySource: 'aws',
    environment,
    region: required(env, 'AWS_REGION', environment, 'the region of the secret, such as us-east-1'),
    secretId: required(
      env,
      'SECRETS_MANAGER_KEY_NAME',
      environment,
      'name or ARN of the secret, such as pazpaz/encryption-key-v1',
    ),
    environmentKey,
  };
}

/** Throws `INVALID_SETTINGS` for anything that is not settings. JavaScript callers can pass any value. */
export function requireSettings(settings: Settings): void {
  const given: unknown = settings;
  const source = typeof given === 'object' && given !== null && 'keySource' in given ? given.keySource : undefined;
  if (source === 'aws' || source === 'environment') return;
  throw invalid(
    `KeyRing.open takes the settings that loadSettings returns, but got ${typeName(given)} without a keySource. ` +
      'Call KeyRing.open(loadSettings(process.env)), or KeyRing.open() for the variables of this process.',
  );
}

const SPELLING = {
  AWS_REGION: /^[a-z0-9-]+$/,
  SECRETS_MANAGER_KEY_NAME: /^[A-Za-z0-9/_+=.@!:-]+$/,
};
const NAMED = { AWS_REGION: 'a region', SECRETS_MANAGER_KEY_NAME: 'the name or ARN of a secret' };

type Variables = Readonly<Record<string, string | undefined>>;

function environmentName(env: Variables): EnvironmentName {
  const value = valueOf(env, 'ENVIRONMENT');
  const name = ENVIRONMENTS.find((known) => known === value);
  if (name !== undefined) return name;
  // There is no safe default: a wrong one writes data under the wrong key.
  const found = value === undefined ? 'is not set' : `is ${JSON.stringify(value)}${hint(value)}`;
  throw invalid(`ENVIRONMENT must be one of ${ENVIRONMENTS.join(', ')}, but ${found}.`);
}

function environmentKeyOf(env: Variables): KeyMaterial | undefined {
  const value = valueOf(env, 'ENCRYPTION_MASTER_KEY');
  if (value === undefined) return undefined;
  try {
    return readKeyValue({ SecretString: value }).key;
  } catch (error) {
    if (!isKeyRotationError(error, 'INVALID_KEY_VALUE')) throw error;
    throw invalid(
      'ENCRYPTION_MASTER_KEY must hold a key of 32 bytes as base64 or in hexadecimal, but does not: ' +
        invalidKeyText(error, 'a key'),
    );
  }
}

function required(env: Variables, name: keyof typeof SPELLING, environment: EnvironmentName, what: string): string {
  const value = spelledOf(env, name);
  if (value === undefined) {
    throw invalid(`${name} must be set where ENVIRONMENT is ${environment}, but is not: ${what}.`);
  }
  return value;
}

function spelledOf(env: Variables, name: keyof typeof SPELLING): string | undefined {
  const value = valueOf(env, name);
  if (value === undefined || SPELLING[name].test(value)) return value;
  throw invalid(
    `${name} has a character that ${NAMED[name]} cannot have, found ${JSON.stringify(value)}${hint(value)}.`,
  );
}

function hint(value: string): string {
  if (/["'`]/.test(value)) return ' (docker --env-file keeps quotation marks: leave them out)';
  if (value.includes('\r')) return ' (it ends in a carriage return: save the file with Unix line ends)';
  return /\s/.test(value) ? ' (it contains white space: remove it)' : '';
}

function valueOf(env: Variables, name: string): string | undefined {
  const value = env[name];
  return value === '' ? undefined : value;
}

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_SETTINGS', message);
}
