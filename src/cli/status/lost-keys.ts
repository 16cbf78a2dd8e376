import { backupRecord } from '../backup/backup-tag.ts';
import { retiredNumbers } from '../ring/retired-tags.ts';
import type { DescribedRing } from '../ring/ring.ts';
import { rescuedVersions } from '../ring/version-tags.ts';
import { step } from '../suggested-commands.ts';
import { capitalized, keyList } from '../terminal/table.ts';
import { howToRestoreRing } from './make-room.ts';
import { warning, type Note } from './note.ts';
import type { RingReport } from './ring-report.ts';

/**
 * Numbers that the last backup names, and that have neither a version nor a record of a retirement. Keys that `adopt`
 * has numbered again since that backup explain as many of them.
 */
export function lostNumbers({ secret, ring }: DescribedRing): readonly number[] {
  const backedUp = backupRecord(secret.Tags)?.numbers ?? [];
  const known = new Set<number>([...ring.versionOf.keys(), ...retiredNumbers(secret.Tags)]);
  const missing = backedUp.filter((number) => !known.has(number));
  const rescued = rescuedVersions(secret.Tags);
  const numberedAgain = [...ring.numberOf].filter(([id, number]) => rescued.has(id) && !backedUp.includes(number));
  return missing.length > numberedAgain.length ? missing : [];
}

/** While AWS has a version without a label, that one is looked at first. Only the primary can be written. */
export function lostNotes(report: RingReport): readonly Note[] {
  const { lost = [], versions, rotation } = report;
  const mayBeKept = versions.some(({ state }) => state === 'no label');
  if (lost.length === 0 || mayBeKept || rotation.primaryRegion !== undefined) return [];
  const [are, have, their, them] = lost.length === 1 ? ['is', 'has', 'its', 'it'] : ['are', 'have', 'their', 'them'];
  return [
    warning(
      'key-lost',
      `${capitalized(keyList(lost))} ${are} in the last backup, and ${have} neither a version nor a record of a retirement: ` +
        `${their} label was lost, and AWS has deleted the version. Restore ${them} from that backup.`,
      ...howToRestoreRing(report, step('restore-ring', 'FILE')),
    ),
  ];
}
