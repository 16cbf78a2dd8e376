import { EXAMPLE_KEY_REFUSED, isRefusedExample } from '../format/example-key.ts';
import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import { MAX_KEY_NUMBER, toKeyNumber, type KeyNumber } from '../format/key-number.ts';
import { invalidKeyText, readKeyValue } from '../format/key-value.ts';

/** Each function throws `INVALID_SETTINGS`, which names the variable and never shows a key. */

const ENVIRONMENTS = ['local', 'development', 'staging', 'production'] as const;

export type EnvironmentName = (typeof ENVIRONMENTS)[number];

export type Variables = Readonly<Record<string, string | undefined>>;

const REGION = /^[a-z]{2,}(-[a-z]+)+-[0-9]+$/;
const NAME = /^[A-Za-z0-9/_+=.@!:-]+$/;
const ARN = /^arn:[a-z-]+:secretsmanager:([a-z0-9-]+):[0-9]{12}:secret:.+$/;
const LONGEST_NAME = 512;
const NUMBERED = 'ENCRYPTION_MASTER_KEY_V';

export function environmentName(env: Variables): EnvironmentName {
  const name = chosen(env, 'ENVIRONMENT', ENVIRONMENTS);
  // There is no safe default: a wrong one writes data under the wrong key.
  if (name === undefined) throw invalid(`ENVIRONMENT must be one of ${ENVIRONMENTS.join(', ')}, but is not set.`);
  return name;
}

export function chosen<Choice extends string>(
  env: Variables,
  variable: string,
  choices: readonly Choice[],
): Choice | undefined {
  const value = valueOf(env, variable);
  const choice = choices.find((one) => one === value);
  if (choice !== undefined || value === undefined) return choice;
  throw invalid(`${variable} must be one of ${choices.join(', ')}, but is ${shown(value)}${hint(value)}.`);
}

export function regionOf(env: Variables): string | undefined {
  const value = valueOf(env, 'AWS_REGION');
  if (value === undefined || REGION.test(value)) return value;
  throw invalid(`AWS_REGION must be a region, such as us-east-1, but is ${shown(value)}${hint(value)}.`);
}

export function secretOf(env: Variables, region?: string): string | undefined {
  const variable = 'SECRETS_MANAGER_KEY_NAME';
  const value = valueOf(env, variable);
  if (value === undefined) return undefined;
  const found = shown(value);
  if (!NAME.test(value))
    throw invalid(
      `${variable} has a character that the name or ARN of a secret cannot have, found ${found}${hint(value)}.`,
    );
  if (!value.startsWith('arn:')) {
    if (value.includes(':'))
      throw invalid(`${variable} has a colon, which the name of a secret cannot have, found ${found}.`);
    if (value.length > LONGEST_NAME)
      throw invalid(`${variable} has ${value.length} characters, but the name of a secret at most ${LONGEST_NAME}.`);
    return value;
  }
  const [, place] = ARN.exec(value) ?? [];
  if (place === undefined)
    throw invalid(
      `${variable} is not the ARN of a secret, found ${found}. One looks like ` +
        'arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/encryption-key-v1-AbCdEf.',
    );
  if (region !== undefined && place !== region)
    throw invalid(`${variable} is the ARN of a secret in ${place}, but AWS_REGION is ${region}.`);
  return value;
}

export function keyOf(env: Variables, variable: string, environment: EnvironmentName): KeyMaterial | undefined {
  const value = valueOf(env, variable);
  if (value === undefined) return undefined;
  const key = readKey(value, variable);
  if (isRefusedExample(key, environment)) throw invalid(`${variable} ${EXAMPLE_KEY_REFUSED}`);
  return key;
}

export function numberedKeysOf(env: Variables, environment: EnvironmentName): ReadonlyMap<KeyNumber, KeyMaterial> {
  const keys = new Map<KeyNumber, KeyMaterial>();
  for (const variable of Object.keys(env).filter((name) => name.startsWith(NUMBERED))) {
    const key = keyOf(env, variable, environment);
    if (key !== undefined) keys.set(numberIn(variable), key);
  }
  return new Map([...keys].sort(([one], [other]) => one - other));
}

/** A key of 32 bytes may be pasted into any variable, in any spelling. */
function shown(value: string): string {
  return value.length >= 32 && !value.startsWith('arn:')
    ? `a value of ${value.length} characters that may be a key (not shown)`
    : JSON.stringify(value);
}

export function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_SETTINGS', message);
}

function numberIn(variable: string): KeyNumber {
  const digits = variable.slice(NUMBERED.length);
  if (/^[1-9][0-9]{0,8}$/.test(digits)) return toKeyNumber(Number(digits));
  throw invalid(`${variable} must end in the number of its key, 1 to ${MAX_KEY_NUMBER} without leading zeros.`);
}

function readKey(value: string, variable: string): KeyMaterial {
  try {
    return readKeyValue({ SecretString: value }).key;
  } catch (error) {
    if (!isKeyRotationError(error, 'INVALID_KEY_VALUE')) throw error;
    throw invalid(
      `${variable} must hold a key of 32 bytes as base64 or in hexadecimal, but does not: ` +
        invalidKeyText(error, 'a key'),
    );
  }
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
