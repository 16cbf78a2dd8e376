import { refused } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { lookUntil } from './look-again.ts';

/** A value as `PutSecretValue` takes it. */
export type StoredValue = { readonly SecretString: string } | { readonly SecretBinary: Uint8Array };

/**
 * Puts a value as a new version, with these labels or as `AWSCURRENT`. Resolves to its VersionId. If the version
 * `versionId` exists with this value, nothing changes.
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
      // A numbering label would be taken from its version without a compare-and-swap: only an empty secret gets one so.
      ...(labels === undefined ? {} : { VersionStages: [...labels] }),
    })
    .catch((error: unknown) => {
      throw refused('PutSecretValue', deps.secretId, error);
    });
  return answer.VersionId ?? versionId;
}

/**
 * Waits until `DescribeSecret` shows a version that was just stored: an older description would show the old key as
 * current. It may never show, if another process took its only label at once. It can be labelled anyway.
 */
export async function untilShown(deps: CommandDependencies, versionId: string): Promise<void> {
  await lookUntil(deps, ({ ring }) => ring.stages[versionId] !== undefined);
}
