import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import type { StoredKey } from '../format/key-value.ts';
import type { RingLabels } from '../format/ring-labels.ts';
import { adopt } from '../secret/adopt.ts';
import type { StepDependencies } from '../secret/dependencies.ts';
import { proveKey, requireForeign } from './prove-key.ts';
import { readKey } from '../secret/read-key.ts';
import { readRingKey } from '../secret/read-key.ts';
import type { RotationRequest } from './rotation-request.ts';
import { fromFreshState } from '../secret/fresh-ring.ts';
import { readRotationState } from './rotation-state.ts';

/**
 * Step 3: proves the pending key by an encrypt/decrypt round trip and opens every key of the ring, so that one that
 * cannot be read stops the rotation before anything is promoted.
 *
 * `RotateSecret` with `RotateImmediately=false` runs this step alone, on a pending copy of the current key.
 */
export async function testSecret(deps: StepDependencies, request: RotationRequest): Promise<void> {
  const { token } = request;
  const read = () => readRotationState(deps, request);
  await fromFreshState(deps, read, async ({ ring, alreadyCurrent }) => {
    if (alreadyCurrent) return adopt(deps, ring);
    const pending = await readPending(deps, request, ring);
    const sealed = proveKey(pending.key);
    for (const [versionId, number] of ring.numberOf) {
      if (versionId === token) continue;
      const other = await readRingKey(deps, number, versionId);
      if (!other.equals(pending.key)) requireForeign(other, sealed, number);
    }
    deps.proven.add(token);
    deps.log('key_proven', { versionId: token, ringKeys: ring.numberOf.size });
    return ring;
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
