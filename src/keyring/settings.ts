import { typeName } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import {
  chosen,
  environmentName,
  invalid,
  keyOf,
  numberedKeysOf,
  regionOf,
  secretOf,
  type EnvironmentName,
  type Variables,
} from './environment-variables.ts';

export type { EnvironmentName };

export type Settings = EnvironmentSettings | AwsSettings;

interface KeysOfEnvironment {
  readonly environment: EnvironmentName;
  /** `ENCRYPTION_MASTER_KEY`. In AWS, the key to use while AWS has not returned one yet. */
  readonly environmentKey: KeyMaterial | undefined;
  /** The keys of `ENCRYPTION_MASTER_KEY_V2` and so on by number, in ascending order. In AWS they only decrypt. */
  readonly numberedKeys?: ReadonlyMap<KeyNumber, KeyMaterial>;
}

/** Without AWS. */
export interface EnvironmentSettings extends KeysOfEnvironment {
  readonly keySource: 'environment';
}

export interface AwsSettings extends KeysOfEnvironment {
  readonly keySource: 'aws';
  readonly region: string;
  /** Name or ARN. */
  readonly secretId: string;
  /** Whether `environmentKey` may encrypt while AWS has not returned a key yet. Default: true. */
  readonly hasFallback?: boolean;
}

/** `ENCRYPTION_MASTER_KEY` has number 0. */
export interface EnvironmentKey {
  readonly number: KeyNumber | 0;
  readonly key: KeyMaterial;
}

/**
 * Reads the settings from environment variables (default: those of this process). An empty variable counts as unset.
 *
 * | `ENVIRONMENT`          | key ring                                               | fallback                      |
 * | ---------------------- | ------------------------------------------------------ | ----------------------------- |
 * | `local`, `development` | `ENCRYPTION_MASTER_KEY`; AWS if its name is given, too | with AWS: the environment key |
 * | `staging`              | AWS: `AWS_REGION`, `SECRETS_MANAGER_KEY_NAME`          | `ENCRYPTION_MASTER_KEY`       |
 * | `production`           | as for `staging`                                       | as for `staging`, and warned  |
 *
 * `ENCRYPTION_KEY_SOURCE=environment` is production without AWS, and `ENCRYPTION_FALLBACK=off` takes the fallback away.
 * `ENCRYPTION_MASTER_KEY_V2` is key 2 of the environment: without AWS the highest number encrypts.
 *
 * Throws `INVALID_SETTINGS`, which names the variable and never shows a key. Quotation marks, white space and carriage
 * returns are refused, because an `--env-file` keeps them. So is the setup guide's example key, except locally.
 */
export function loadSettings(env: Variables = process.env): Settings {
  const environment = environmentName(env);
  const source = chosen(env, 'ENCRYPTION_KEY_SOURCE', ['environment', 'aws']);
  const fallback = chosen(env, 'ENCRYPTION_FALLBACK', ['on', 'off']);
  const named = secretOf(env);
  const environmentKey = keyOf(env, 'ENCRYPTION_MASTER_KEY', environment);
  const keys = { environment, environmentKey, numberedKeys: numberedKeysOf(env, environment) };
  if (source === 'environment' && named !== undefined)
    throw invalid(
      'ENCRYPTION_KEY_SOURCE is environment, but SECRETS_MANAGER_KEY_NAME names a secret. Remove the one that is not ' +
        'meant.',
    );
  const isLocal = environment === 'local' || environment === 'development';
  const isByDefault = isLocal && source === undefined && named === undefined;
  if (source === 'environment' || isByDefault) {
    if (environmentKey === undefined && keys.numberedKeys.size === 0) throw noKey(environment, isByDefault);
    return { keySource: 'environment', ...keys };
  }
  const where = named === undefined ? `ENVIRONMENT is ${environment}` : 'SECRETS_MANAGER_KEY_NAME names a secret';
  const alone = named === undefined ? WITHOUT_AWS : '';
  const region = required('AWS_REGION', regionOf(env), where, `the region of the secret, such as us-east-1${alone}`);
  const secretId = required(
    'SECRETS_MANAGER_KEY_NAME',
    secretOf(env, region),
    where,
    `name or ARN of the secret, such as pazpaz/encryption-key-v1${alone}`,
  );
  return { keySource: 'aws', ...keys, region, secretId, hasFallback: fallback !== 'off' };
}

export function environmentKeys({ environmentKey, numberedKeys = new Map() }: Settings): readonly EnvironmentKey[] {
  const numbered = [...numberedKeys].map(([number, key]) => ({ number, key }));
  return environmentKey === undefined ? numbered : [{ number: 0, key: environmentKey }, ...numbered];
}

/** The environment's key that encrypts while no key of AWS does; `undefined` if none may. */
export function writingKey(settings: Settings): EnvironmentKey | undefined {
  const keys = environmentKeys(settings);
  if (settings.keySource === 'environment') return keys.at(-1);
  // Number 2 is the secret's key-v2 there, so a key of the environment must not write under it.
  return (settings.hasFallback ?? true) ? keys.find(({ number }) => number === 0) : undefined;
}

/** JavaScript callers can pass any value. Throws `INVALID_SETTINGS`. */
export function requireSettings(settings: Settings): void {
  const given: unknown = settings;
  const source = typeof given === 'object' && given !== null && 'keySource' in given ? given.keySource : undefined;
  if (source === 'aws' || source === 'environment') return;
  throw invalid(
    `KeyRing.open takes the settings that loadSettings returns, but got ${typeName(given)} without a keySource. ` +
      'Call KeyRing.open(loadSettings(process.env)), or KeyRing.open() for the variables of this process.',
  );
}

const WITHOUT_AWS = '. To use keys of the environment alone, set ENCRYPTION_KEY_SOURCE=environment';

function noKey(environment: EnvironmentName, isByDefault: boolean): Error {
  const where = isByDefault ? `ENVIRONMENT is ${environment}` : 'ENCRYPTION_KEY_SOURCE is environment';
  const advice = isByDefault ? ', or set AWS_REGION and SECRETS_MANAGER_KEY_NAME to try a secret in AWS' : '';
  return invalid(
    `ENCRYPTION_MASTER_KEY must be set where ${where}, but is not. Set it to a key that you made (openssl rand ` +
      `-base64 32)${advice}.`,
  );
}

function required(name: string, value: string | undefined, where: string, what: string): string {
  if (value !== undefined) return value;
  throw invalid(`${name} must be set where ${where}, but is not: ${what}.`);
}
