import type { Tag } from '@aws-sdk/client-secrets-manager';

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

/** Its tag. */
export function abandonedTagKey(versionId: string): string {
  return `${ABANDONED}${versionId}`;
}

/** Remembers of a version that it got its number late, so that nobody takes that for a label moved by hand. */
export function rescuedTag(versionId: string, now: Date): Tag {
  return { Key: `${RESCUED}${versionId}`, Value: now.toISOString() };
}

/** The versions that are so remembered. */
export function rescuedVersions(tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return versionsUnder(RESCUED, tags);
}

function versionsUnder(prefix: string, tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return new Set((tags ?? []).flatMap(({ Key = '' }) => (Key.startsWith(prefix) ? [Key.slice(prefix.length)] : [])));
}
