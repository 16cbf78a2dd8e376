import { KeyRotationError, withoutFullStop } from '../format/error.ts';
import { AWS_LABELS, MAX_STAGING_LABELS } from '../format/ring-labels.ts';
import { awsErrorName, describeError, isAboutReplica, refused } from './aws-error.ts';
import type { StepDependencies } from './dependencies.ts';

/** The answers where a label is not where the caller believed it to be, or its version is gone. */
const LABEL_ERRORS = ['InvalidParameterException', 'InvalidRequestException', 'ResourceNotFoundException'];

function isAboutLabels(error: unknown): boolean {
  return LABEL_ERRORS.includes(awsErrorName(error)) && !isAboutReplica(error);
}

/** Takes `label` from the version `from` if given. Throws `LABEL_CONFLICT` where the label is elsewhere. */
export async function moveLabel(
  deps: StepDependencies,
  move: { readonly label: string; readonly to: string; readonly from?: string | undefined },
): Promise<void> {
  try {
    await deps.secrets.updateSecretVersionStage({
      SecretId: deps.secretId,
      VersionStage: move.label,
      MoveToVersionId: move.to,
      RemoveFromVersionId: move.from,
    });
  } catch (error) {
    if (awsErrorName(error) === 'LimitExceededException') throw ringFull(describeError(error), ANY_WAY_OUT);
    if (!isAboutLabels(error)) throw refused('UpdateSecretVersionStage', deps.secretId, error);
    throw new KeyRotationError(
      'LABEL_CONFLICT',
      `Label ${move.label} could not be moved to version ${move.to}: ${withoutFullStop(describeError(error))}. Another process is changing the labels of this secret; let it finish, then try again.`,
      { cause: error },
    );
  }
}

const ANY_WAY_OUT =
  "Re-encrypt the rows of the oldest keys and retire those keys, or remove labels that are not the ring's";

export function ringFull(found: string, wayOut: string): KeyRotationError {
  return new KeyRotationError(
    'RING_FULL',
    `The key ring is full: ${withoutFullStop(found)}. A secret can carry ${MAX_STAGING_LABELS} labels, of which AWS uses ${AWS_LABELS.length}. ${wayOut}; then try again. Nothing was lost.`,
  );
}
