import { awsErrorName, refused } from '../../steps/aws-error.ts';
import type { CommandDependencies } from '../dependencies.ts';

/** Takes a label off a version. One that is not there any more was taken off by somebody else: nothing to do. */
export async function detachLabel(deps: CommandDependencies, label: string, from: string): Promise<void> {
  try {
    await deps.secrets.updateSecretVersionStage({
      SecretId: deps.secretId,
      VersionStage: label,
      RemoveFromVersionId: from,
    });
  } catch (error) {
    // "You provided a VersionStage that is not associated to the provided VersionId."
    if (awsErrorName(error) === 'InvalidRequestException') return;
    throw refused('UpdateSecretVersionStage', deps.secretId, error);
  }
}
