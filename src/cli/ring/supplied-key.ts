import { isKeyRotationError, KeyRotationError } from '../../format/error.ts';
import { KEY_BYTES, type KeyMaterial } from '../../format/key-material.ts';
import { invalidKeyText, readKeyValue, type KeyFormat, type StoredKey } from '../../format/key-value.ts';
import { awsErrorName, unreadable } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';

/** It prints nothing secret. */
export interface GivenValue {
  readonly key: KeyMaterial;
  /** Used if the ring has no readable key whose format it could take. */
  readonly format: KeyFormat;
}

/**
 * Ignores white space around the text. `where` names its source. Throws `INVALID_KEY_VALUE`, which never shows the
 * value.
 */
export function givenText(text: string, where: string): GivenValue {
  return keyIn({ SecretString: text.trim() }, where);
}

/** A text, or a key's 32 bytes. */
export function givenBytes(bytes: Buffer, where: string): GivenValue {
  const isKey = bytes.length === KEY_BYTES && !isTyped(bytes);
  return isKey ? keyIn({ SecretBinary: bytes }, where) : givenText(bytes.toString('utf8'), where);
}

/**
 * 32 printable characters are half of a key in hexadecimal digits, or a password. Of random bytes, fewer than one in
 * 10^13 look so.
 */
function isTyped(bytes: Buffer): boolean {
  return bytes.every((byte) => (byte >= 0x20 && byte <= 0x7e) || byte === 0x09 || byte === 0x0a || byte === 0x0d);
}

/**
 * Such as `pazpaz/encryption-key-v2` of the setup guide. Nothing else of the value, which may hold other secrets.
 * Throws `SECRET_NOT_FOUND`, `VERSION_UNREADABLE` or `INVALID_KEY_VALUE`.
 */
export async function valueOfSecret(deps: CommandDependencies, name: string): Promise<GivenValue> {
  const { SecretString, SecretBinary } = await deps.secrets
    .getSecretValue({ SecretId: name })
    .catch((error: unknown) => {
      throw cannotTake(name, error);
    });
  const { key } = keyIn({ SecretString, SecretBinary }, `Secret '${name}'`);
  return { key, format: { kind: 'base64' } };
}

function keyIn(value: Parameters<typeof readKeyValue>[0], where: string): StoredKey {
  try {
    return readKeyValue(value);
  } catch (error) {
    if (!isKeyRotationError(error)) throw error;
    throw new KeyRotationError(error.code, invalidKeyText(error, `${where}: a key`));
  }
}

const ACCESS =
  'Give the caller access to it and to its KMS key, and check that the KMS key is enabled; then try again.';

function cannotTake(name: string, error: unknown): KeyRotationError {
  if (awsErrorName(error) === 'ResourceNotFoundException') {
    return new KeyRotationError(
      'SECRET_NOT_FOUND',
      `There is no secret '${name}' with a current value in this region, so no key can be taken from it. Check its name.`,
    );
  }
  return unreadable(`Secret '${name}'`, error, ACCESS);
}
