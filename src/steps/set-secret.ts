import { adopt } from '../secret/adopt.ts';
import type { StepDependencies } from '../secret/dependencies.ts';
import type { RotationRequest } from './rotation-request.ts';
import { fromFreshState } from '../secret/fresh-ring.ts';
import { readRotationState } from './rotation-state.ts';

/** Step 2: numbers the keys in use. From here on nothing in use can be lost. */
export async function setSecret(deps: StepDependencies, request: RotationRequest): Promise<void> {
  const read = () => readRotationState(deps, request);
  await fromFreshState(deps, read, ({ ring }) => adopt(deps, ring));
}
