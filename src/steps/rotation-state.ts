import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import { ringState, type RingState } from '../format/ring-labels.ts';
import { refused } from './aws-error.ts';
import type { StepDependencies } from './dependencies.ts';
import { keepNumbers } from './numbering.ts';
import type { RotationRequest } from './rotation-request.ts';

/** Readings of the state before a step gives up on labels that go on moving; nothing on record moves them that often. */
const MAX_READINGS = 10;

/** What a step starts from. */
export interface RotationState {
  readonly ring: RingState;
  /** The token's version is `AWSCURRENT` already: promoted by hand, or key 1 that the service made current by itself. */
  readonly alreadyCurrent: boolean;
}

/** Reads the secret and checks that this step of this token may run. Writes nothing. */
export async function readRotationState(deps: StepDependencies, request: RotationRequest): Promise<RotationState> {
  const { secretId, token } = request;
  const secret = await describe(deps, secretId);
  if (secret.RotationEnabled !== true) {
    throw new KeyRotationError(
      'ROTATION_DISABLED',
      `Rotation is not enabled for secret '${secretId}'. Enable it with 'aws secretsmanager rotate-secret --rotation-lambda-arn …'.`,
    );
  }
  const ring = ringState(secret.VersionIdsToStages);
  const labels = ring.stages[token];
  if (labels === undefined) {
    throw new KeyRotationError(
      'UNKNOWN_TOKEN',
      `ClientRequestToken ${token} is no version of secret '${secretId}': the event is stale, or was made up. Start a rotation with 'aws secretsmanager rotate-secret'; on your own machine, 'npm run local -- --mid-rotation' writes fresh events.`,
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
      `Version ${token} must have the staging label AWSPENDING, found ${labels.join(', ') || 'none'}: its rotation was abandoned. Start a new one with 'aws secretsmanager rotate-secret'.`,
    );
  }
  return { ring, alreadyCurrent: false };
}

/** `DescribeSecret` in our words. Throws `SECRET_NOT_FOUND`, `SECRET_DELETED`, `AWS_REFUSED`, `CANNOT_REACH_AWS`. */
export async function describe(deps: StepDependencies, secretId: string) {
  const secret = await deps.secrets.describeSecret({ SecretId: secretId }).catch((error: unknown) => {
    throw refused('DescribeSecret', secretId, error);
  });
  if (secret.DeletedDate !== undefined) {
    throw new KeyRotationError(
      'SECRET_DELETED',
      `Secret '${secretId}' is deleted and waits for its removal. If its data is still needed, run 'aws secretsmanager restore-secret' at once.`,
    );
  }
  return secret;
}

/**
 * Runs the body of a step on a fresh reading, and again from the first check whenever a label turns out to have moved
 * since that reading: a number is attached as a compare-and-swap, and losing the race means that the state was old.
 *
 * `body` resolves to the ring as it should then be: the very ring that it was given where it wrote nothing. If it wrote,
 * the state is read once more, and a numbering label of the first reading, or of this run, that got lost on the way is
 * put back.
 */
export async function fromFreshState<State extends { readonly ring: RingState }>(
  deps: StepDependencies,
  read: () => Promise<State>,
  secretId: string,
  body: (state: State) => Promise<RingState>,
): Promise<void> {
  let seenFirst: RingState | undefined;
  for (let reading = 1; ; reading++) {
    const state = await read();
    seenFirst ??= state.ring;
    try {
      const after = await body(state);
      if (after !== state.ring || reading > 1) await keepNumbers(deps, secretId, seenFirst, after);
      return;
    } catch (error) {
      if (!isKeyRotationError(error, 'LABEL_CONFLICT') || reading === MAX_READINGS) throw error;
      deps.log('step_started_again', { reading, reason: error.message });
    }
  }
}
