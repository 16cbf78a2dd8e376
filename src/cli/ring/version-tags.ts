import { copyTagKey, copyVersions } from '../../format/retired-tag.ts';
import type { Tag } from '@aws-sdk/client-secrets-manager';
import type { CommandDependencies } from '../aws/operator.ts';
import { removeTags, setTags } from './tags.ts';
import { listVersions } from './versions.ts';

/** Tags about one version. They are removed once AWS has deleted it, so that they never fill a secret's 50. */
const ABANDONED = 'pazpaz:abandoned:';
const RESCUED = 'pazpaz:rescued:';

/** The version that the name of a tag is about, and what it records; `undefined` for the name of another tag. */
export function versionRecordOf(
  key: string,
): { readonly kind: 'abandoned' | 'rescued'; readonly versionId: string } | undefined {
  for (const [kind, prefix] of [['abandoned', ABANDONED] as const, ['rescued', RESCUED] as const]) {
    if (key.startsWith(prefix) && key !== prefix) return { kind, versionId: key.slice(prefix.length) };
  }
  return undefined;
}

/** Records that a version was never more than the pending one of an abandoned rotation. */
export function abandonedTag(versionId: string, now: Date): Tag {
  return { Key: `${ABANDONED}${versionId}`, Value: now.toISOString() };
}

/** The versions with this record. */
export function abandonedVersions(tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return versionsUnder(ABANDONED, tags);
}

/** Records that a version got its number late, so that this is not taken for a label moved by hand. */
export function rescuedTag(versionId: string, now: Date): Tag {
  return { Key: `${RESCUED}${versionId}`, Value: now.toISOString() };
}

/** The versions with this record. */
export function rescuedVersions(tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return versionsUnder(RESCUED, tags);
}

/** Records that the key of a version is on the ring under another version, so that the version needs no number. */
export function copyTag(versionId: string, now: Date): Tag {
  return { Key: copyTagKey(versionId), Value: now.toISOString() };
}

/** Tags a version, after removing the tags of these kinds whose version AWS has deleted. */
export async function tagVersion(deps: CommandDependencies, tags: readonly Tag[] | undefined, tag: Tag): Promise<void> {
  const existing = (await listVersions(deps)).map(({ VersionId }) => VersionId ?? '');
  const outdated = outdatedTags(tags, new Set(existing));
  if (outdated.length > 0) await removeTags(deps, outdated);
  await setTags(deps, [tag]);
}

/** Removes that record before the version gets a number again: later it would hide that the number is lost. */
export async function untagCopy(deps: CommandDependencies, versionId: string): Promise<void> {
  await removeTags(deps, [copyTagKey(versionId)]);
}

/** Tags of these kinds whose version is gone. */
function outdatedTags(tags: readonly Tag[] | undefined, existing: ReadonlySet<string>): readonly string[] {
  const own = [ABANDONED, RESCUED].flatMap((prefix) =>
    [...versionsUnder(prefix, tags)].map((id) => [id, `${prefix}${id}`] as const),
  );
  const copies = [...copyVersions(tags)].map((id) => [id, copyTagKey(id)] as const);
  return [...own, ...copies].flatMap(([id, key]) => (existing.has(id) ? [] : [key]));
}

function versionsUnder(prefix: string, tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return new Set((tags ?? []).flatMap(({ Key = '' }) => (Key.startsWith(prefix) ? [Key.slice(prefix.length)] : [])));
}
