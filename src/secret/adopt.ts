import { isKeyRotationError } from '../format/error.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { RingLabels } from '../format/ring-labels.ts';
import type { StepDependencies } from './dependencies.ts';
import type { RingChange } from './fresh-ring.ts';
import { attachNextNumber } from './numbering.ts';
import { readKey } from './read-key.ts';

/**
 * Gives `AWSPREVIOUS`, then `AWSCURRENT`, a number if they lack one, so that no later rotation pushes a key in use out
 * of every label. A value that is not a valid key encrypted nothing and stays unnumbered. Throws `VERSION_UNREADABLE`
 * or `VERSION_HAS_NO_VALUE` where a value cannot be read: it may be a key in use.
 */
export async function adopt(deps: StepDependencies, ring: RingLabels): Promise<RingChange> {
  let change: RingChange = { ring, wrote: false };
  for (const versionId of [ring.previous, ring.current]) {
    if (versionId === undefined || change.ring.numberOf.has(versionId)) continue;
    if (await holdsKey(deps, versionId)) {
      change = { ring: await attachNextNumber(deps, change.ring, versionId), wrote: true };
    }
  }
  return change;
}

async function holdsKey(deps: StepDependencies, versionId: string): Promise<boolean> {
  return (await readUnnumberedKey(deps, versionId)) !== undefined;
}

/** Returns `undefined` where the value is not a valid key. Throws `VERSION_UNREADABLE` where it cannot be read. */
export async function readUnnumberedKey(deps: StepDependencies, versionId: string): Promise<KeyMaterial | undefined> {
  try {
    return (await readKey(deps, versionId)).key;
  } catch (error) {
    if (!isKeyRotationError(error, 'INVALID_KEY_VALUE')) throw error;
    deps.log('unnumbered_version_is_not_a_key', { versionId, reason: error.message });
    return undefined;
  }
}
