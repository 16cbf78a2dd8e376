import { copyVersions, retirementRecords } from '../format/retired-tag.ts';
import type { RingLabels } from '../format/ring-labels.ts';
import type { SecretDescription } from './source/secret-source.ts';

/** The record is written before the label is removed: beside a label, it is a retirement that has not happened. */
export function retiredVersions(labels: RingLabels, tags: SecretDescription['Tags']): ReadonlyMap<string, number> {
  const records = retirementRecords(tags).filter(({ versionId }) => !isOnRing(versionId, labels));
  return new Map(records.map(({ versionId, number }) => [versionId, number]));
}

/** Versions whose number `move` has given to another version with the same key. No row has lost its key. */
export function movedVersions(labels: RingLabels, tags: SecretDescription['Tags']): ReadonlySet<string> {
  return new Set([...copyVersions(tags)].filter((versionId) => !isOnRing(versionId, labels)));
}

export function isOnRing(versionId: string, labels: RingLabels): boolean {
  const { numberOf, current, previous, pending } = labels;
  return numberOf.has(versionId) || [current, previous, pending].includes(versionId);
}
