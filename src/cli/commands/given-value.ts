import { isKeyRotationError, KeyRotationError } from '../../keyring/error.ts';
import type { KeyMaterial } from '../../keyring/key-material.ts';
import { readKeyValue } from '../../keyring/key-value.ts';
import { awsErrorName, describeError } from '../../steps/aws-error.ts';
import type { CommandDependencies } from '../dependencies.ts';

/** The value of a secret that somebody hands in, understood. Prints nothing secret. */
export interface GivenValue {
  readonly key: KeyMaterial;
  /** As it will be stored. */
  readonly stored: { readonly SecretString: string } | { readonly SecretBinary: Uint8Array };
}

/**
 * Checks a text that is to be stored; white space around it is left away. `where` names its source in the error.
 * Throws `INVALID_KEY_VALUE`, which says what was found, never the value.
 */
export function givenText(text: string, where: string): GivenValue {
  const SecretString = text.trim();
  return { key: keyIn({ SecretString }, where), stored: { SecretString } };
}

/**
 * The current value of another secret, such as one of the guide's `pazpaz/encryption-key-v2`. Throws
 * `SECRET_NOT_FOUND`, `VERSION_UNREADABLE` or `INVALID_KEY_VALUE`.
 */
export async function valueOfSecret(deps: CommandDependencies, name: string): Promise<GivenValue> {
  const { SecretString, SecretBinary } = await deps.secrets
    .getSecretValue({ SecretId: name })
    .catch((error: unknown) => {
      throw unreadable(name, error);
    });
  const key = keyIn({ SecretString, SecretBinary }, `Secret '${name}'`);
  if (SecretString !== undefined) return { key, stored: { SecretString } };
  return { key, stored: { SecretBinary: key.exportBytes() } };
}

function keyIn(value: Parameters<typeof readKeyValue>[0], where: string): KeyMaterial {
  try {
    return readKeyValue(value).key;
  } catch (error) {
    if (!isKeyRotationError(error)) throw error;
    throw new KeyRotationError(
      error.code,
      error.message.replace('Encryption key from AWS Secrets Manager', `${where}: a key`),
    );
  }
}

function unreadable(name: string, error: unknown): KeyRotationError {
  if (isKeyRotationError(error)) return error;
  if (awsErrorName(error) === 'ResourceNotFoundException') {
    return new KeyRotationError(
      'SECRET_NOT_FOUND',
      `There is no secret '${name}' with a current value in this region, so no key can be taken from it. Check its name.`,
    );
  }
  return new KeyRotationError(
    'VERSION_UNREADABLE',
    `Secret '${name}' cannot be read: ${describeError(error)}. Give the caller access to it and to its KMS key; then try again.`,
    { cause: error },
  );
}
