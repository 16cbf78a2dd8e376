import { step } from '../suggested-commands.ts';
import { capitalized, keyList } from '../terminal/table.ts';
import { howToRestoreRing } from './make-room.ts';
import { warning, type Note } from './note.ts';
import type { RingReport } from './ring-report.ts';

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
