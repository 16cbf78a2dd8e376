import { ringLabels, type RingLabels, type VersionStages } from '../../format/ring-labels.ts';
import { awsErrorName, describeError, refused } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';

/**
 * The service's message for a label that is not on the version: "You provided a VersionStage that is not associated to
 * the provided VersionId." Its other refusals have the same type, for example for a secret that is scheduled for
 * deletion.
 */
const NOT_THERE = 'not associated';

/**
 * On a new version from its put until it has its number: in restore-ring, and in move. A label that no number names, so
 * adoption leaves the version alone.
 */
export const RESTORING_LABEL = 'key-restoring';
export const MOVING_LABEL = 'key-moving';

/**
 * Detaches a label from a version. If it was detached already, there is nothing to do. Throws `AWS_REFUSED` if the
 * service refuses for any other reason.
 */
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

/** The version that has the label. */
export function holderOf(stages: VersionStages, label: string): string | undefined {
  return Object.keys(stages).find((id) => stages[id]?.includes(label));
}

/** The ring once these labels are on no version. */
export function withoutLabels(ring: RingLabels, labels: readonly string[]): RingLabels {
  const left = Object.entries(ring.stages).map(
    ([id, stages]) => [id, stages.filter((label) => !labels.includes(label))] as const,
  );
  return ringLabels(Object.fromEntries(left));
}
