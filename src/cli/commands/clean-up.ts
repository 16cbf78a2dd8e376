import type { Tag } from '@aws-sdk/client-secrets-manager';
import { refused } from '../../steps/aws-error.ts';
import type { CommandDependencies } from '../dependencies.ts';
import { detachLabel } from './labels.ts';
import { describedRing } from './ring.ts';
import { listVersions } from './versions.ts';
import { abandonedTag, abandonedTagKey, abandonedVersions } from './version-tags.ts';

export interface CleanUpResult {
  /** The version from which `AWSPENDING` was taken; absent: there was nothing to clean up. */
  readonly versionId?: string;
}

/**
 * Takes `AWSPENDING` off a version that a rotation has left: cancelled, failed, or refused. The key in it, if there is
 * one, never encrypted anything; a tag remembers that, since its version may then have no label.
 */
export async function runCleanUp(deps: CommandDependencies): Promise<CleanUpResult> {
  const { secret, ring } = await describedRing(deps);
  const { pending, current } = ring;
  if (pending === undefined || pending === current) return {};
  await deps.confirm({
    action: `End the rotation of version ${pending}: take AWSPENDING off it`,
    risk: 'A rotation that is running right now fails at its next call. Nothing is lost by that.',
  });
  if (ring.stages[pending]?.length === 1) {
    await forgetDeleted(deps, secret.Tags);
    const Tags = [abandonedTag(pending, deps.now())];
    await deps.secrets.tagResource({ SecretId: deps.secretId, Tags }).catch((error: unknown) => {
      throw refused('TagResource', deps.secretId, error);
    });
  }
  await detachLabel(deps, 'AWSPENDING', pending);
  return { versionId: pending };
}

/** Tags of versions that AWS has deleted meanwhile go, so that they never fill a secret's 50. */
async function forgetDeleted(deps: CommandDependencies, tags: readonly Tag[] | undefined): Promise<void> {
  const existing = new Set((await listVersions(deps)).map(({ VersionId }) => VersionId));
  const TagKeys = [...abandonedVersions(tags)].filter((id) => !existing.has(id)).map(abandonedTagKey);
  if (TagKeys.length === 0) return;
  await deps.secrets.untagResource({ SecretId: deps.secretId, TagKeys }).catch((error: unknown) => {
    throw refused('UntagResource', deps.secretId, error);
  });
}
