import { refused } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { lookUntil } from './look-again.ts';

export type StoredValue = { readonly SecretString: string } | { readonly SecretBinary: Uint8Array };

/**
 * With these labels or as `AWSCURRENT`. Resolves to the VersionId. Changes nothing if the version `versionId` has this
 * value.
 */
export async function store(
  deps: CommandDependencies,
  value: StoredValue,
  labels: readonly string[] | undefined,
  versionId = deps.newVersionId(),
): Promise<string> {
  const answer = await deps.secrets
    .putSecretValue({
      SecretId: deps.secretId,
      ClientRequestToken: versionId,
      ...value,
      // A numbering label would be taken without a compare-and-swap: only an empty secret gets one so.
      ...(labels === undefined ? {} : { VersionStages: [...labels] }),
    })
    .catch((error: unknown) => {
      throw refused('PutSecretValue', deps.secretId, error);
    });
  return answer.VersionId ?? versionId;
}

/**
 * An older description would show the old key as current. The version never shows if another process took its only
 * label at once; it can be labelled anyway.
 */
export async function untilShown(deps: CommandDependencies, versionId: string): Promise<void> {
  await lookUntil(deps, ({ ring }) => ring.stages[versionId] !== undefined);
}
