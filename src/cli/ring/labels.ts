import { ringLabels, type RingLabels, type VersionStages } from '../../format/ring-labels.ts';
import { awsErrorName, describeError, refused } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';

/** "You provided a VersionStage that is not associated to the provided VersionId." */
const NOT_THERE = 'not associated';

/** On a new version from its put until it has its number. It names no number, so adoption leaves the version alone. */
export const RESTORING_LABEL = 'key-restoring';
export const MOVING_LABEL = 'key-moving';

/** Does nothing if the label was detached already. Throws `AWS_REFUSED` if the service refuses for another reason. */
export async function detachLabel(deps: CommandDependencies, label: string, from: string): Promise<void> {
  try {
    await deps.secrets.updateSecretVersionStage({
      SecretId: deps.secretId,
      VersionStage: label,
      RemoveFromVersionId: from,
    });
  } catch (error) {
    if (awsErrorName(error) === 'InvalidRequestException' && describeError(error).includes(NOT_THERE)) return;
    throw refused('UpdateSecretVersionStage', deps.secretId, error);
  }
}

export function holderOf(stages: VersionStages, label: string): string | undefined {
  return Object.keys(stages).find((id) => stages[id]?.includes(label));
}

export function withoutLabels(ring: RingLabels, labels: readonly string[]): RingLabels {
  const left = Object.entries(ring.stages).map(
    ([id, stages]) => [id, stages.filter((label) => !labels.includes(label))] as const,
  );
  return ringLabels(Object.fromEntries(left));
}
