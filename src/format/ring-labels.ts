import { MAX_KEY_NUMBER, numberingLabel, numberOfLabel, toKeyNumber, type KeyNumber } from './key-number.ts';

/** AWS Secrets Manager quotas: 'Staging labels attached across all versions'. */
export const MAX_STAGING_LABELS = 20;

/** The labels that Secrets Manager moves itself. */
export const AWS_LABELS: readonly string[] = ['AWSCURRENT', 'AWSPREVIOUS', 'AWSPENDING'];

/** Whether a version is in use, or is the new key of a rotation. */
export function hasAwsLabel(labels: readonly string[] = []): boolean {
  return labels.some((label) => AWS_LABELS.includes(label));
}

/** The label of a key that only decrypts, until it has its number. */
export const INCOMING_LABEL = 'key-incoming';

/** Staging labels by VersionId, as `DescribeSecret` returns them. */
export type VersionStages = Readonly<Record<string, readonly string[]>>;

export interface RingLabels {
  readonly stages: VersionStages;
  /** The version that each number names. */
  readonly versionOf: ReadonlyMap<KeyNumber, string>;
  /** The number of each numbered version; the lowest if it has several. */
  readonly numberOf: ReadonlyMap<string, KeyNumber>;
  /** 0 if nothing is numbered. */
  readonly highestNumber: number;
  readonly current: string | undefined;
  readonly previous: string | undefined;
  readonly pending: string | undefined;
  /** Labels that can still be attached, with AWS's three reserved; negative if foreign labels took those. */
  readonly freeSlots: number;
}

/** Reads `VersionIdsToStages` of `DescribeSecret`, which is absent on a secret without a value. */
export function ringLabels(stages: VersionStages = {}): RingLabels {
  const versionOf = new Map<KeyNumber, string>();
  const numberOf = new Map<string, KeyNumber>();
  const holderOf = new Map<string, string>();
  for (const [versionId, labels] of Object.entries(stages)) {
    for (const label of labels) {
      holderOf.set(label, versionId);
      const number = numberOfLabel(label);
      if (number === undefined) continue;
      versionOf.set(number, versionId);
      const lowest = numberOf.get(versionId);
      if (lowest === undefined || number < lowest) numberOf.set(versionId, number);
    }
  }
  const customLabels = [...holderOf.keys()].filter((label) => !AWS_LABELS.includes(label)).length;
  return {
    stages,
    versionOf,
    numberOf,
    highestNumber: Math.max(0, ...versionOf.keys()),
    current: holderOf.get('AWSCURRENT'),
    previous: holderOf.get('AWSPREVIOUS'),
    pending: holderOf.get('AWSPENDING'),
    freeSlots: MAX_STAGING_LABELS - AWS_LABELS.length - customLabels,
  };
}

/** A number never comes back: the highest is never retired. Throws `INVALID_KEY_NUMBER` after 999,999,999. */
export function nextNumber(ring: RingLabels): KeyNumber {
  return toKeyNumber(Math.min(ring.highestNumber, MAX_KEY_NUMBER) + 1);
}

export function withNumber(ring: RingLabels, versionId: string, number: KeyNumber): RingLabels {
  const labels = ring.stages[versionId] ?? [];
  return ringLabels({ ...ring.stages, [versionId]: [...labels, numberingLabel(number)] });
}

/** The lowest first: keys without a label of AWS and without the highest number, from which the next is counted. */
export function retirableNumbers(ring: RingLabels): readonly KeyNumber[] {
  const inUse = [ring.current, ring.previous, ring.pending];
  const highest = [...ring.versionOf].find(([number]) => number === ring.highestNumber)?.[1];
  const numbers = [...ring.versionOf].filter(([, versionId]) => versionId !== highest && !inUse.includes(versionId));
  return numbers.map(([number]) => number).sort((one, other) => one - other);
}

export interface HeldLabel {
  readonly label: string;
  readonly versionId: string;
}

/** Labels that neither AWS nor the key ring uses take slots, too. */
export function foreignLabels(stages: VersionStages): readonly HeldLabel[] {
  const held = Object.entries(stages).flatMap(([versionId, labels]) => labels.map((label) => ({ label, versionId })));
  return held.filter(
    ({ label }) => !AWS_LABELS.includes(label) && label !== INCOMING_LABEL && numberOfLabel(label) === undefined,
  );
}

/** Every version that may have encrypted: the numbered ones in order, then those without a number. */
export function versionsInUse(ring: RingLabels): readonly string[] {
  const numbered = [...ring.versionOf].sort(([one], [other]) => one - other).map(([, versionId]) => versionId);
  const versions = [...numbered, ring.previous, ring.current];
  return [...new Set(versions.filter((versionId) => versionId !== undefined))];
}
