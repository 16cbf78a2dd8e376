import { KeyRotationError, withoutFullStop } from '../format/error.ts';
import { MAX_KEY_NUMBER, numberingLabel, type KeyNumber } from '../format/key-number.ts';
import { retiredKeys, type RetiredKey } from '../format/retired-tag.ts';
import {
  foreignLabels,
  nextNumber,
  retirableNumbers,
  ringLabels,
  withNumber,
  type RingLabels,
} from '../format/ring-labels.ts';
import { describeError, refused } from './aws-error.ts';
import type { StepDependencies } from './dependencies.ts';
import { moveLabel, ringFull } from './move-label.ts';
import { readKey } from './read-key.ts';

/** Milliseconds that a step or a command lasts at most. */
const LONGEST_STEP = 15 * 60_000;

/** Milliseconds. A description may be older than the label that it lacks. */
const SECOND_LOOK = 1000;

/**
 * The label is attached without `RemoveFromVersionId`: the service refuses that if another version has it, so no two
 * can get one number. Throws `LABEL_CONFLICT` when the number was taken meanwhile, and `RING_FULL` when no label is
 * free.
 */
export async function attachNextNumber(
  deps: StepDependencies,
  ring: RingLabels,
  versionId: string,
): Promise<RingLabels> {
  requireNumbers(ring, 1);
  return attachNumber(deps, ring, versionId);
}

/** `attachNextNumber` where a caller knows that a label can be attached, be it in a place that is kept for AWS. */
export async function attachNumber(deps: StepDependencies, ring: RingLabels, versionId: string): Promise<RingLabels> {
  requireNextNumber(ring);
  const number = nextNumber(ring);
  await moveLabel(deps, { label: numberingLabel(number), to: versionId });
  deps.log('key_numbered', { keyNumber: number, versionId });
  return withNumber(ring, versionId, number);
}

/** For keys that get the next numbers. Throws `RING_FULL` if labels or numbers are missing. */
export function requireNumbers(ring: RingLabels, needed: number): void {
  requireFreeSlots(ring, needed);
  if (needed > 0) requireNextNumber(ring);
}

/** Throws `RING_FULL` if a version has the last number that there is. */
export function requireNextNumber({ versionOf }: RingLabels): void {
  const last = [...versionOf].find(([number]) => number === MAX_KEY_NUMBER);
  if (last === undefined) return;
  const [label, versionId] = [numberingLabel(last[0]), last[1]];
  throw new KeyRotationError(
    'RING_FULL',
    `No key can get the next number, because version ${versionId} has the last one there is. ${label} was attached by ` +
      `hand: remove it with 'aws secretsmanager update-secret-version-stage --version-stage ${label} ` +
      `--remove-from-version-id ${versionId}', then try again. Nothing was lost.`,
  );
}

/** Throws `RING_FULL` if fewer than `needed` staging labels can still be attached. */
export function requireFreeSlots(ring: RingLabels, needed: number): void {
  // Foreign labels, or a momentary one, may have taken the place of AWSPENDING.
  if (needed === 0 || ring.freeSlots >= needed) return;
  const free = Math.max(0, ring.freeSlots);
  throw ringFull(
    `${counted(needed, 'free staging label')} needed, ${free} free; ${counted(ring.versionOf.size, 'label')} of keys and ${counted(foreignLabels(ring.stages).length, 'other label')} take the rest`,
    wayOut(ring),
  );
}

function wayOut(ring: RingLabels): string {
  const [oldest] = retirableNumbers(ring);
  const others = foreignLabels(ring.stages).map(({ label }) => `'${label}'`);
  const ways = [
    ...(oldest === undefined
      ? []
      : [`Re-encrypt the rows of the oldest keys and retire those keys, key ${oldest} first`]),
    ...(others.length === 0 ? [] : [`Remove the labels that are not the ring's (${others.join(', ')})`]),
  ];
  if (ways.length === 0) return 'Every number is on a key in use: remove one that no row has from a key with several';
  return ways.join('. Or: ');
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** The labels that a whole rotation attaches: one for each version without a number. */
export function slotsNeeded(ring: RingLabels, token: string): number {
  const versions = new Set([ring.previous, ring.current, token].filter((id) => id !== undefined));
  return [...versions].filter((id) => !ring.numberOf.has(id)).length;
}

/**
 * Reads the secret again after a step's writes, and puts back every numbering label of `seen` that is on no version:
 * reports disagree on whether AWS drops custom labels when `AWSCURRENT` moves. A label that a retirement removed stays
 * away; its tag is written before the label goes. Throws `NUMBER_LOST` where a label is on a version with another key,
 * or its version is gone.
 */
export async function keepNumbers(deps: StepDependencies, ...seen: readonly RingLabels[]): Promise<void> {
  const kept = new Map(seen.flatMap(({ versionOf }) => [...versionOf]));
  let lost = await lostNumbers(deps, kept);
  if (lost.length > 0) {
    await deps.sleep(SECOND_LOOK);
    lost = await lostNumbers(deps, kept);
  }
  for (const [number, versionId] of lost) {
    await moveLabel(deps, { label: numberingLabel(number), to: versionId }).catch((error: unknown) => {
      throw numberLost(number, versionId, describeError(error));
    });
    deps.log('number_put_back', { keyNumber: number, versionId });
  }
}

/** Throws `NUMBER_LOST` where one is on a version with another key. */
async function lostNumbers(
  deps: StepDependencies,
  kept: ReadonlyMap<KeyNumber, string>,
): Promise<readonly (readonly [KeyNumber, string])[]> {
  const secret = await deps.secrets.describeSecret({ SecretId: deps.secretId }).catch((error: unknown) => {
    throw refused('DescribeSecret', deps.secretId, error);
  });
  const now = ringLabels(secret.VersionIdsToStages);
  const retired = retiredKeys(secret.Tags);
  for (const [number, versionId] of kept) {
    const holder = now.versionOf.get(number);
    if (holder !== undefined && holder !== versionId) await requireSameKey(deps, number, versionId, holder);
  }
  return [...kept].filter(([number, versionId]) => {
    // A move may have given the number another version with the same key, which was then retired.
    const isRetired = ({ number: one, versionId: version, date }: RetiredKey): boolean =>
      one === number && (version === versionId || Math.abs(deps.now().getTime() - Date.parse(date)) < LONGEST_STEP);
    return !now.versionOf.has(number) && !retired.some(isRetired);
  });
}

/** A number may move to another version with the same key (docs/adr/0025). */
async function requireSameKey(
  deps: StepDependencies,
  number: KeyNumber,
  versionId: string,
  holder: string,
): Promise<void> {
  const isSame = await holdSameKey(deps, versionId, holder).catch(() => false);
  if (!isSame) throw numberLost(number, versionId, `it is on version ${holder} now`);
}

async function holdSameKey(deps: StepDependencies, one: string, other: string): Promise<boolean> {
  return (await readKey(deps, one)).key.equals((await readKey(deps, other)).key);
}

function numberLost(number: number, versionId: string, found: string): KeyRotationError {
  return new KeyRotationError(
    'NUMBER_LOST',
    `Key ${number} must stay on version ${versionId}: ${withoutFullStop(found)}. Someone has moved numbering labels by hand; move this one back with 'aws secretsmanager update-secret-version-stage' before anything is encrypted again.`,
  );
}
