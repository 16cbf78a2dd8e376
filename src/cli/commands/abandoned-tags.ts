import type { Tag } from '@aws-sdk/client-secrets-manager';

const PREFIX = 'pazpaz:abandoned:';

/** Remembers of a version that it was never anything but the pending one of a rotation that was given up. */
export function abandonedTag(versionId: string, now: Date): Tag {
  return { Key: `${PREFIX}${versionId}`, Value: now.toISOString() };
}

/** The versions that are so remembered. */
export function abandonedVersions(tags: readonly Tag[] | undefined): ReadonlySet<string> {
  return new Set((tags ?? []).flatMap(({ Key = '' }) => (Key.startsWith(PREFIX) ? [Key.slice(PREFIX.length)] : [])));
}

/** Its tag. */
export function abandonedTagKey(versionId: string): string {
  return `${PREFIX}${versionId}`;
}
