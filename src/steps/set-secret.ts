import { adopt } from '../secret/adopt.ts';
import type { StepDependencies } from '../secret/dependencies.ts';
import type { RotationRequest } from './rotation-request.ts';
import { onPendingRotation } from './rotation-state.ts';

/** Step 2: numbers the keys in use. From here on, no key in use can be lost. */
export async function setSecret(deps: StepDependencies, request: RotationRequest): Promise<void> {
  await onPendingRotation(deps, request, (ring) => adopt(deps, ring));
}
