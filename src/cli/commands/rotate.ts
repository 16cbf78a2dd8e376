import { KeyRotationError } from '../../format/error.ts';
import { refused } from '../../secret/aws-error.ts';
import { slotsNeeded } from '../../secret/numbering.ts';
import { requireFreeSlots } from '../../secret/numbering.ts';
import type { CommandDependencies } from '../dependencies.ts';
import { describedRing } from './ring.ts';

export interface RotateResult {
  /** The version that the rotation makes. */
  readonly versionId: string;
  /** `taken up`: an earlier rotation was unfinished, and the service runs it again. */
  readonly outcome: 'started' | 'taken up';
  /** Whether rotation was switched off, which starting one changes. */
  readonly wasSwitchedOff: boolean;
}

/**
 * Starts a rotation. Where an earlier one is unfinished, the service runs that one again. Throws `RING_FULL` before it
 * starts what could not finish, and `ROTATION_DISABLED` without a function to rotate with. Where rotation was switched
 * off, which somebody did on purpose, it asks first: to rotate switches the schedule on again.
 */
export async function runRotate(deps: CommandDependencies): Promise<RotateResult> {
  const { secret, ring } = await describedRing(deps);
  if (secret.RotationLambdaARN === undefined) throw noFunction(deps.secretId);
  const wasSwitchedOff = secret.RotationEnabled !== true;
  const versionId = deps.newVersionId();
  const pending = ring.pending === ring.current ? undefined : ring.pending;
  requireFreeSlots(ring, slotsNeeded(ring, pending ?? versionId));
  if (wasSwitchedOff) {
    await deps.confirm({
      action: 'Switch rotation on again, which was cancelled, and rotate',
      risk: 'Its schedule rotates by itself from then on.',
    });
  }
  try {
    const answer = await deps.secrets.rotateSecret({ SecretId: deps.secretId, ClientRequestToken: versionId });
    return { versionId: answer.VersionId ?? versionId, outcome: 'started', wasSwitchedOff };
  } catch (error) {
    if (isReattempt(error)) {
      const now = (await describedRing(deps)).ring;
      return { versionId: now.pending ?? ring.pending ?? '', outcome: 'taken up', wasSwitchedOff };
    }
    throw refused('RotateSecret', deps.secretId, error);
  }
}

function isReattempt(error: unknown): boolean {
  return error instanceof Error && error.message.includes('will be reattempted');
}

function noFunction(secretId: string): KeyRotationError {
  return new KeyRotationError(
    'ROTATION_DISABLED',
    `Secret '${secretId}' has no rotation function. Deploy the stack, which sets function and schedule; or name one with 'aws secretsmanager rotate-secret --rotation-lambda-arn'.`,
  );
}
