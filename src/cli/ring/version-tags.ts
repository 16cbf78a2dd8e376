import { copiesIn, copyTagKey, copyVersions, MAX_TAG_LENGTH } from '../../format/retired-tag.ts';
import type { Tag } from '@aws-sdk/client-secrets-manager';
import type { RingLabels } from '../../format/ring-labels.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { removeTags, requireRoom, setTags } from './tags.ts';
import { listVersions } from './versions.ts';

/** Tags about one version are removed once AWS has deleted it, so that they never fill a secret's 50. */
const ABANDONED = 'pazpaz:abandoned:';
const RESCUED = 'pazpaz:rescued:';

/** `undefined` for the name of another tag. */
export function versionRecordOf(
  key: string,
): { readonly kind: 'abandoned' | 'rescued'; readonly versionId: string } | undefined {
  for (const [kind, prefix] of [['abandoned', ABANDONED] as const, ['rescued', RESCUED] as const]) {
    if (key.startsWith(prefix) && key !== prefix) return { kind, versionId: key.slice(prefix.length) };
  }
  return undefined;
}

/** The version was never more than the pending one of an abandoned rotation. */
export function abandonedTag(versionId: string, now: Date): Tag {
  return { Key: `${ABANDONED}${versionId}`, Value: now.toISOString() };
}

export function abandonedVersions(tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return versionsUnder(ABANDONED, tags);
}

/** The version got its number late, which must not be taken for a label moved by hand. */
export function rescuedTag(versionId: string, now: Date): Tag {
  return { Key: `${RESCUED}${versionId}`, Value: now.toISOString() };
}

export function rescuedVersions(tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return versionsUnder(RESCUED, tags);
}

/**
 * The keys of these versions are on the ring under other versions. A tag's name has the first of them, its value the
 * date and others: a secret can have 50 tags.
 */
export function copyTags(versionIds: readonly string[], now: Date): readonly Tag[] {
  const tags: { readonly Key: string; Value: string }[] = [];
  for (const versionId of versionIds) {
    const last = tags.at(-1);
    const longer = `${last?.Value ?? ''} ${versionId}`;
    if (last === undefined || longer.length > MAX_TAG_LENGTH)
      tags.push({ Key: copyTagKey(versionId), Value: now.toISOString() });
    else last.Value = longer;
  }
  return tags;
}

/** Also removes tags of these kinds whose versions AWS has deleted. */
export async function tagVersions(
  deps: CommandDependencies,
  tags: readonly Tag[] | undefined,
  added: readonly Tag[],
): Promise<void> {
  const outdated = await outdatedTags(deps, tags);
  if (outdated.length > 0) await removeTags(deps, outdated);
  await setTags(deps, added);
}

/** Without the tags that `tagVersions` removes. */
export async function requireTagRoom(
  deps: CommandDependencies,
  tags: readonly Tag[] = [],
  added: readonly string[],
): Promise<void> {
  // Most secrets have few tags, and then the versions need not be listed.
  if (tags.length + added.length <= 20) return;
  const outdated = await outdatedTags(deps, tags);
  requireRoom(
    tags.filter(({ Key = '' }) => !outdated.includes(Key)),
    added,
  );
}

/**
 * Before the version gets a number again: later the record would hide that the number is lost. The other versions of
 * its tag keep theirs. Resolves to the tags that are left.
 */
export async function untagCopy(
  deps: CommandDependencies,
  tags: readonly Tag[] = [],
  versionId: string,
): Promise<readonly Tag[]> {
  const kept = tags.filter((tag) => !copiesIn(tag).includes(versionId));
  const changed = tags.flatMap((tag): readonly Tag[] => {
    const versionIds = copiesIn(tag);
    const [named, ...others] = versionIds.filter((id) => id !== versionId);
    if (named === undefined || !versionIds.includes(versionId)) return [];
    const [date = ''] = (tag.Value ?? '').split(' ');
    return [{ Key: copyTagKey(named), Value: [date, ...others].join(' ') }];
  });
  if (changed.length > 0) await setTags(deps, changed);
  await removeTags(deps, [copyTagKey(versionId)]);
  return [...kept, ...changed];
}

export async function untagNumbered(
  deps: CommandDependencies,
  tags: readonly Tag[] = [],
  { numberOf }: RingLabels,
): Promise<readonly Tag[]> {
  let left = tags;
  for (const versionId of copyVersions(tags)) {
    if (numberOf.has(versionId)) left = await untagCopy(deps, left, versionId);
  }
  return left;
}

async function outdatedTags(deps: CommandDependencies, tags: readonly Tag[] = []): Promise<readonly string[]> {
  const existing = new Set((await listVersions(deps)).map(({ VersionId }) => VersionId));
  return tags.flatMap((tag) => {
    const { Key = '' } = tag;
    const record = versionRecordOf(Key);
    const versionIds = record === undefined ? copiesIn(tag) : [record.versionId];
    return versionIds.length === 0 || versionIds.some((id) => existing.has(id)) ? [] : [Key];
  });
}

function versionsUnder(prefix: string, tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return new Set((tags ?? []).flatMap(({ Key = '' }) => (Key.startsWith(prefix) ? [Key.slice(prefix.length)] : [])));
}
