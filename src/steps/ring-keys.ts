import { KeyRotationError } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { describeError } from './aws-error.ts';
import type { StepDependencies } from './dependencies.ts';
import { readKey } from './read-key.ts';

/** Reads a numbered key. Throws `RING_KEY_UNREADABLE`, which names its number, its version and the cause. */
export async function readRingKey(
  deps: StepDependencies,
  secretId: string,
  number: KeyNumber,
  versionId: string,
): Promise<KeyMaterial> {
  try {
    return (await readKey(deps, secretId, versionId)).key;
  } catch (error) {
    throw new KeyRotationError(
      'RING_KEY_UNREADABLE',
      `Key ${number} of the ring (version ${versionId}) cannot be used, and rows may need it; nothing is promoted until it can. ${describeError(error)}`,
      { cause: error },
    );
  }
}
