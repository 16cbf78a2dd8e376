import { adopt } from '../secret/adopt.ts';
import type { StepDependencies } from '../secret/dependencies.ts';
import { moveLabel } from '../secret/move-label.ts';
import { attachNextNumber } from '../secret/numbering.ts';
import { readKey } from '../secret/read-key.ts';
import type { RotationRequest } from './rotation-request.ts';
import { onPendingRotation } from './rotation-state.ts';

/** Step 4: numbers the keys in use, then the pending one, and only then makes it `AWSCURRENT`. */
export async function finishSecret(deps: StepDependencies, request: RotationRequest): Promise<void> {
  const { token } = request;
  await onPendingRotation(deps, request, async (seen) => {
    // A step invoked by hand on a version without a value would leave applications without a current key.
    if (!deps.proven.has(token)) await readKey(deps, token);
    let { ring } = await adopt(deps, seen);
    if (!ring.numberOf.has(token)) ring = await attachNextNumber(deps, ring, token);
    await moveLabel(deps, { label: 'AWSCURRENT', to: token, from: ring.current });
    deps.log('key_promoted', { versionId: token, keyNumber: ring.numberOf.get(token), formerVersionId: ring.current });
    deps.proven.delete(token);
    return { ring, wrote: true };
  });
}
