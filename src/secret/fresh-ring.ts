import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import type { RingLabels } from '../format/ring-labels.ts';
import { refused } from './aws-error.ts';
import type { StepDependencies } from './dependencies.ts';
import { keepNumbers } from './numbering.ts';

/** Readings before a step fails because labels keep moving. */
const MAX_READINGS = 10;

/** Throws `SECRET_NOT_FOUND`, `SECRET_DELETED`, `AWS_REFUSED`, `CANNOT_REACH_AWS`. */
export async function describe(deps: StepDependencies) {
  const secret = await deps.secrets.describeSecret({ SecretId: deps.secretId }).catch((error: unknown) => {
    throw refused('DescribeSecret', deps.secretId, error);
  });
  if (secret.DeletedDate !== undefined) {
    throw new KeyRotationError(
      'SECRET_DELETED',
      `Secret '${deps.secretId}' is scheduled for deletion. If its data is still needed, run 'aws secretsmanager restore-secret' at once.`,
    );
  }
  return secret;
}

export interface RingChange {
  readonly ring: RingLabels;
  readonly wrote: boolean;
}

/**
 * Runs `body` on a fresh reading, and again whenever a label has moved since that reading: a number is attached as a
 * compare-and-swap, and losing the race means that the reading was old. Where `body` wrote, the secret is read again,
 * and numbering labels that were lost meanwhile are put back.
 */
export async function fromFreshState<State extends { readonly ring: RingLabels }>(
  deps: StepDependencies,
  read: () => Promise<State>,
  body: (state: State) => Promise<RingChange>,
): Promise<RingChange> {
  let seenFirst: RingLabels | undefined;
  for (let reading = 1; ; reading++) {
    const state = await read();
    seenFirst ??= state.ring;
    try {
      const change = await body(state);
      if (change.wrote || reading > 1) await keepNumbers(deps, seenFirst, change.ring);
      return change;
    } catch (error) {
      if (!isKeyRotationError(error, 'LABEL_CONFLICT') || reading === MAX_READINGS) throw error;
      deps.log('step_started_again', { reading, reason: error.message });
    }
  }
}
