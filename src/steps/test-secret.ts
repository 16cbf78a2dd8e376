import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import type { StoredKey } from '../format/key-value.ts';
import type { RingLabels } from '../format/ring-labels.ts';
import type { StepDependencies } from '../secret/dependencies.ts';
import { proveKey, requireForeign } from './prove-key.ts';
import { readKey, readRingKey } from '../secret/read-key.ts';
import type { RotationRequest } from './rotation-request.ts';
import { onPendingRotation } from './rotation-state.ts';

/**
 * Step 3: proves the pending key and opens every key of the ring, so that an unreadable one stops the rotation before
 * anything is promoted. `RotateSecret` with `RotateImmediately=false` runs only this step, on a pending copy of the
 * current key.
 */
export async function testSecret(deps: StepDependencies, request: RotationRequest): Promise<void> {
  const { token } = request;
  await onPendingRotation(deps, request, async (ring) => {
    const pending = await readPending(deps, request, ring);
    const sealed = proveKey(pending.key);
    for (const [versionId, number] of ring.numberOf) {
      if (versionId === token) continue;
      const other = await readRingKey(deps, number, versionId);
      if (!other.equals(pending.key)) requireForeign(other, sealed, number);
    }
    deps.proven.add(token);
    deps.log('key_proven', { versionId: token, ringKeys: ring.numberOf.size });
    return { ring, wrote: false };
  });
}

async function readPending(deps: StepDependencies, request: RotationRequest, ring: RingLabels): Promise<StoredKey> {
  try {
    return await readKey(deps, request.token);
  } catch (error) {
    if (!isKeyRotationError(error, 'VERSION_HAS_NO_VALUE') || ring.current !== undefined) throw error;
    throw new KeyRotationError(
      'NO_CURRENT_KEY',
      `Secret '${deps.secretId}' has no key yet, so there is nothing to test. Rotate it once without RotateImmediately=false: that makes key 1.`,
      { cause: error },
    );
  }
}
