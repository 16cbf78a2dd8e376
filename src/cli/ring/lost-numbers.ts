import { backupRecord } from '../backup/backup-tag.ts';
import { retiredNumbers } from './retired-tags.ts';
import type { DescribedRing } from './ring.ts';
import { rescuedVersions } from './version-tags.ts';

/**
 * Numbers that the last backup names, and that have neither a version nor a record of a retirement. Keys that `adopt`
 * has numbered again since that backup explain as many of them. The highest number stays on the ring, unless a person has
 * taken it off a version and given that another one.
 */
export function lostNumbers({ secret, ring }: DescribedRing): readonly number[] {
  const backedUp = backupRecord(secret.Tags)?.numbers ?? [];
  const known = new Set<number>([...ring.versionOf.keys(), ...retiredNumbers(secret.Tags)]);
  const missing = backedUp.filter((number) => number < ring.highestNumber && !known.has(number));
  const rescued = rescuedVersions(secret.Tags);
  const numberedAgain = [...ring.numberOf].filter(([id, number]) => rescued.has(id) && !backedUp.includes(number));
  return missing.length > numberedAgain.length ? missing : [];
}
