import type { Tag } from '@aws-sdk/client-secrets-manager';
import { refused } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { listVersions } from './versions.ts';

/** Tags that say something of one version. They go once AWS has deleted it, so that they never fill a secret's 50. */
const ABANDONED = 'pazpaz:abandoned:';
const RESCUED = 'pazpaz:rescued:';

/** Remembers of a version that it was never anything but the pending one of a rotation that was given up. */
export function abandonedTag(versionId: string, now: Date): Tag {
  return { Key: `${ABANDONED}${versionId}`, Value: now.toISOString() };
}

/** The versions that are so remembered. */
export function abandonedVersions(tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return versionsUnder(ABANDONED, tags);
}

/** Remembers of a version that it got its number late, so that nobody takes that for a label moved by hand. */
export function rescuedTag(versionId: string, now: Date): Tag {
  return { Key: `${RESCUED}${versionId}`, Value: now.toISOString() };
}

/** The versions that are so remembered. */
export function rescuedVersions(tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return versionsUnder(RESCUED, tags);
}

/** Writes a tag of a version, after those are gone, of either kind, whose version AWS has deleted meanwhile. */
export async function tagVersion(deps: CommandDependencies, tags: readonly Tag[] | undefined, tag: Tag): Promise<void> {
  const { secrets, secretId } = deps;
  const existing = (await listVersions(deps)).map(({ VersionId }) => VersionId ?? '');
  const TagKeys = outdatedTags(tags, new Set(existing));
  if (TagKeys.length > 0) {
    await secrets.untagResource({ SecretId: secretId, TagKeys: [...TagKeys] }).catch((error: unknown) => {
      throw refused('UntagResource', secretId, error);
    });
  }
  await secrets.tagResource({ SecretId: secretId, Tags: [tag] }).catch((error: unknown) => {
    throw refused('TagResource', secretId, error);
  });
}

/** Tags of either kind whose version is gone. */
function outdatedTags(tags: readonly Tag[] | undefined, existing: ReadonlySet<string>): readonly string[] {
  return [ABANDONED, RESCUED].flatMap((prefix) =>
    [...versionsUnder(prefix, tags)].filter((id) => !existing.has(id)).map((id) => `${prefix}${id}`),
  );
}

function versionsUnder(prefix: string, tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return new Set((tags ?? []).flatMap(({ Key = '' }) => (Key.startsWith(prefix) ? [Key.slice(prefix.length)] : [])));
}
