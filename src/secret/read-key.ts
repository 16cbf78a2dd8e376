import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { readKeyValue, type StoredKey } from '../format/key-value.ts';
import { awsErrorName, describeError, unreadable } from './aws-error.ts';
import type { StepDependencies } from './dependencies.ts';

/** Milliseconds. Labels and values take a moment to spread after a write (aws-sdk-js-v3 issue 7701). */
export const RETRY_PAUSES = [100, 200, 400, 800, 1600, 3200];

/** Milliseconds of Lambda's time that are kept for the error message. */
export const TIME_RESERVE = 2000;

/**
 * By VersionId: on AWS, reads by staging label right after a write have failed. Throws `INVALID_KEY_VALUE` where the
 * value is not a valid key, `VERSION_HAS_NO_VALUE` where none appears within a short time, `VERSION_UNREADABLE` where
 * it is refused.
 */
export async function readKey(deps: StepDependencies, versionId: string): Promise<StoredKey> {
  const value = await getValue(deps, versionId);
  try {
    return readKeyValue(value);
  } catch (error) {
    if (!isKeyRotationError(error)) throw error;
    throw new KeyRotationError(
      error.code,
      `${error.message} (version ${versionId}; 'pazpaz-keys status' says what to run first)`,
    );
  }
}

/** Asked once, without waiting for a value that is on its way. */
export async function hasValue(deps: StepDependencies, versionId: string): Promise<boolean> {
  try {
    await deps.secrets.getSecretValue({ SecretId: deps.secretId, VersionId: versionId });
    return true;
  } catch (error) {
    if (awsErrorName(error) === 'ResourceNotFoundException') return false;
    throw unreadable(`Version ${versionId}`, error, ACCESS);
  }
}

async function getValue(deps: StepDependencies, versionId: string) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await deps.secrets.getSecretValue({ SecretId: deps.secretId, VersionId: versionId });
    } catch (error) {
      if (awsErrorName(error) !== 'ResourceNotFoundException') throw unreadable(`Version ${versionId}`, error, ACCESS);
      const pause = RETRY_PAUSES[attempt];
      if (pause === undefined || deps.remainingTime() < pause + TIME_RESERVE) throw noValue(versionId, error);
      deps.log('version_not_visible_yet', { versionId, attempt: attempt + 1 });
      await deps.sleep(pause);
    }
  }
}

const ACCESS =
  'Give the caller access to the secret and to the KMS key of that version, and see that the KMS key is enabled; then try again.';

function noValue(versionId: string, error: unknown): KeyRotationError {
  return new KeyRotationError(
    'VERSION_HAS_NO_VALUE',
    `Version ${versionId} has no value that can be read. If it is the pending version of a rotation, run createSecret first, or wait for Secrets Manager to try the rotation again; if it has a number, restore its value or retire its key.`,
    { cause: error },
  );
}

/** Throws `RING_KEY_UNREADABLE`, which names the number, the version and the cause. */
export async function readRingKey(deps: StepDependencies, number: KeyNumber, versionId: string): Promise<KeyMaterial> {
  try {
    return (await readKey(deps, versionId)).key;
  } catch (error) {
    throw new KeyRotationError(
      'RING_KEY_UNREADABLE',
      `Key ${number} of the ring (version ${versionId}) cannot be used, and rows may need it; nothing is promoted until it can. ${describeError(error)}`,
      { cause: error },
    );
  }
}
