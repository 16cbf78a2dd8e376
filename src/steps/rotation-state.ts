import { KeyRotationError } from '../format/error.ts';
import { ringLabels, type RingLabels } from '../format/ring-labels.ts';
import type { StepDependencies } from '../secret/dependencies.ts';
import { adopt } from '../secret/adopt.ts';
import { describe, fromFreshState, type RingChange } from '../secret/fresh-ring.ts';
import type { RotationRequest } from './rotation-request.ts';

interface RotationState {
  readonly ring: RingLabels;
  /** Promoted by hand, or key 1, which the service made current. */
  readonly alreadyCurrent: boolean;
}

/** If the pending version is `AWSCURRENT` already, the step only numbers the keys in use. */
export async function onPendingRotation(
  deps: StepDependencies,
  request: RotationRequest,
  body: (ring: RingLabels) => Promise<RingChange>,
): Promise<void> {
  const read = () => readRotationState(deps, request);
  await fromFreshState(deps, read, async ({ ring, alreadyCurrent }) => {
    if (!alreadyCurrent) return body(ring);
    deps.log('already_current', { versionId: request.token });
    return adopt(deps, ring);
  });
}

/** Checks that this step of this token may run. Writes nothing. */
async function readRotationState(deps: StepDependencies, request: RotationRequest): Promise<RotationState> {
  const { secretId } = deps;
  const { token } = request;
  const secret = await describe(deps);
  if (secret.RotationEnabled !== true) {
    throw new KeyRotationError(
      'ROTATION_DISABLED',
      `Rotation is not enabled for secret '${secretId}'. Enable it with 'aws secretsmanager rotate-secret --rotation-lambda-arn …'.`,
    );
  }
  const ring = ringLabels(secret.VersionIdsToStages);
  const labels = ring.stages[token];
  if (labels === undefined) {
    throw new KeyRotationError(
      'UNKNOWN_TOKEN',
      `ClientRequestToken ${token} is not a version of secret '${secretId}': the event is stale or made up. Start ` +
        "a rotation with 'aws secretsmanager rotate-secret'; on your own machine, 'npm run local -- --mid-rotation' " +
        'writes fresh events.',
    );
  }
  if (labels.includes('AWSCURRENT')) return { ring, alreadyCurrent: true };
  if (labels.includes('AWSPREVIOUS')) {
    throw new KeyRotationError(
      'WAS_CURRENT',
      `Version ${token} was AWSCURRENT and was left on purpose: it is AWSPREVIOUS now, and is not promoted again. Detach AWSPENDING from it, then rotate: a new key is made.`,
    );
  }
  if (!labels.includes('AWSPENDING')) {
    throw new KeyRotationError(
      'NOT_PENDING',
      `Version ${token} must have the staging label AWSPENDING, found ${labels.join(', ')}: its rotation was abandoned. Start a new one with 'aws secretsmanager rotate-secret'.`,
    );
  }
  return { ring, alreadyCurrent: false };
}
