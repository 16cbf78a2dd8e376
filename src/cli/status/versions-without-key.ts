import type { SecretVersionsListEntry } from '@aws-sdk/client-secrets-manager';
import { isKeyRotationError } from '../../format/error.ts';
import { readKeyValue } from '../../format/key-value.ts';
import { awsErrorName } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';

/** The newest first: AWS may keep a hundred versions, and an alarm counts reads. */
const MOST_READS = 10;

/**
 * The placeholder of an abandoned rotation, or a value that is not a key: they encrypted nothing and need no rescue. A
 * version that cannot be read may hold a key.
 */
export async function versionsWithoutKey(
  deps: CommandDependencies,
  versions: readonly SecretVersionsListEntry[],
): Promise<ReadonlySet<string>> {
  const newest = [...versions].sort((one, other) => age(one) - age(other)).slice(0, MOST_READS);
  const without = new Set<string>();
  for (const { VersionId } of newest) {
    if (VersionId !== undefined && (await holdsNoKey(deps, VersionId))) without.add(VersionId);
  }
  return without;
}

function age({ CreatedDate }: SecretVersionsListEntry): number {
  return -(CreatedDate?.getTime() ?? 0);
}

async function holdsNoKey({ secrets, secretId }: CommandDependencies, versionId: string): Promise<boolean> {
  try {
    readKeyValue(await secrets.getSecretValue({ SecretId: secretId, VersionId: versionId }));
    return false;
  } catch (error) {
    return awsErrorName(error) === 'ResourceNotFoundException' || isKeyRotationError(error, 'INVALID_KEY_VALUE');
  }
}
