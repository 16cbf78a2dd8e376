import { retirementRecords } from '../format/retired-tag.ts';
import type { RingLabels } from '../format/ring-labels.ts';
import type { SecretDescription } from './secret-source.ts';

/**
 * The versions that have a retirement record and no label, with the number of the record. Retiring writes the record
 * before it takes the label away, so a record beside a label is a retirement that has not happened.
 */
export function retiredVersions(labels: RingLabels, tags: SecretDescription['Tags']): ReadonlyMap<string, number> {
  const records = retirementRecords(tags).filter(({ versionId }) => !isOnRing(versionId, labels));
  return new Map(records.map(({ versionId, number }) => [versionId, number]));
}

/** Whether a version has a number, or one of the labels that AWS moves. */
export function isOnRing(versionId: string, labels: RingLabels): boolean {
  const { numberOf, current, previous, pending } = labels;
  return numberOf.has(versionId) || [current, previous, pending].includes(versionId);
}
