import type { Tag } from '@aws-sdk/client-secrets-manager';
import { KeyRotationError } from '../../keyring/error.ts';
import { numberingLabel, type KeyNumber } from '../../keyring/key-number.ts';
import { ringState, type RingState } from '../../keyring/ring-state.ts';
import { refused } from '../../steps/aws-error.ts';
import { keepNumbers } from '../../steps/numbering.ts';
import type { CommandDependencies } from '../dependencies.ts';
import type { Census } from './census.ts';
import { detachLabel } from './labels.ts';
import { retiredKeys, retiredTag, retiredTagKey, type RetiredKey } from '../../keyring/retired-tag.ts';
import { outdatedRecords } from './retired-tags.ts';
import { requireNoRows, requireOldEnough, requireOutOfUse } from './retire-checks.ts';
import { describedRing, refuseRotationUnderWay, type DescribedRing } from './ring.ts';
import { listVersions } from './versions.ts';

export interface RetireOptions {
  readonly numbers: readonly KeyNumber[];
  /** Goes without the age check and without the census. */
  readonly force?: boolean | undefined;
}

export interface RetireResult {
  readonly retired: readonly RetiredKey[];
  /** Numbers that were not on the ring any more. */
  readonly alreadyRetired: readonly number[];
}

/**
 * Takes the numbering labels of keys away, so that AWS may delete them, and leaves a tag for each by which `restore`
 * finds it again. All checks come before the first write: `KEY_NEVER_ISSUED`, `KEY_STILL_NEEDED`, `ROTATION_UNDER_WAY`,
 * `TOO_EARLY_TO_RETIRE`, then the census (`NO_CENSUS`, `ROWS_STILL_NEED_KEY`). A retirement that broke off between tag
 * and label is finished by the same command: its age check was passed.
 */
export async function runRetire(
  deps: CommandDependencies,
  census: Census,
  { numbers, force = false }: RetireOptions,
): Promise<RetireResult> {
  const first = await describedRing(deps);
  const going = await check(deps, first, numbers);
  const alreadyRetired = numbers.filter((number) => !first.ring.versionOf.has(number));
  if (going.length === 0) return { retired: [], alreadyRetired };
  if (!force) {
    const begun = retiredKeys(first.secret.Tags);
    const isBegun = going.every((key) => begun.some((record) => isSameKey(record, key)));
    if (!isBegun) requireOldEnough(first.secret.LastChangedDate, deps.now());
    requireNoRows(
      await census(going.map(({ number }) => number)),
      going.map(({ number }) => number),
    );
  }
  await deps.confirm(question(going, force));

  const fresh = await describedRing(deps);
  const still = await check(deps, fresh, numbers);
  await writeRecords(deps, fresh.secret.Tags, still);
  for (const { number, versionId } of still) await detachLabel(deps, numberingLabel(number), versionId);
  await keepNumbers(deps, deps.secretId, without(fresh.ring, still));
  return { retired: still, alreadyRetired };
}

/** What would go: each asked-for number that is on the ring, and every other number of its version. */
async function check(
  deps: CommandDependencies,
  { ring }: DescribedRing,
  numbers: readonly KeyNumber[],
): Promise<readonly RetiredKey[]> {
  const going = new Map<KeyNumber, RetiredKey>();
  const date = deps.now().toISOString();
  for (const number of numbers) {
    if (number > ring.highestNumber) throw neverIssued(number, ring);
    const versionId = ring.versionOf.get(number);
    if (versionId === undefined) continue;
    for (const [other, holder] of ring.versionOf) {
      if (holder !== versionId) continue;
      requireOutOfUse(ring, other, versionId);
      going.set(other, { number: other, versionId, date });
    }
  }
  await refuseRotationUnderWay(deps, ring);
  return [...going.values()];
}

/** One call for all, before any label goes: a command that is killed then can be finished for each of them. */
async function writeRecords(
  deps: CommandDependencies,
  tags: readonly Tag[] | undefined,
  going: readonly RetiredKey[],
): Promise<void> {
  const { secrets, secretId } = deps;
  const before = retiredKeys(tags);
  const missing = going.filter((key) => !before.some((record) => isSameKey(record, key)));
  const existing = new Set((await listVersions(deps)).map(({ VersionId }) => VersionId ?? ''));
  const outdated = outdatedRecords(
    tags,
    existing,
    going.map(({ number }) => number),
  );
  try {
    if (outdated.length > 0) {
      await secrets.untagResource({ SecretId: secretId, TagKeys: outdated.map(({ number }) => retiredTagKey(number)) });
    }
    if (missing.length > 0) await secrets.tagResource({ SecretId: secretId, Tags: missing.map(retiredTag) });
  } catch (error) {
    throw refused('TagResource', secretId, error);
  }
}

function isSameKey(one: RetiredKey, other: RetiredKey): boolean {
  return one.number === other.number && one.versionId === other.versionId;
}

function without(ring: RingState, going: readonly RetiredKey[]): RingState {
  const labels = new Set(going.map(({ number }) => numberingLabel(number)));
  const kept = Object.entries(ring.stages).map(([id, stages]) => [id, stages.filter((label) => !labels.has(label))]);
  return ringState(Object.fromEntries(kept) as Record<string, readonly string[]>);
}

function question(going: readonly RetiredKey[], force: boolean) {
  const names = going.map(({ number, versionId }) => `key ${number} (version ${versionId})`).join(', ');
  const action = `Retire ${names}: AWS may delete it from 24 hours on`;
  if (!force) return { action };
  return {
    action,
    risk: 'Forced: nobody has counted the rows that still need it, or waited for writers that still have it. Such rows are lost for good once AWS has deleted the version.',
    answer: going.map(({ number }) => number).join(' '),
  };
}

function neverIssued(number: KeyNumber, ring: RingState): KeyRotationError {
  return new KeyRotationError(
    'KEY_NEVER_ISSUED',
    `There is no key ${number}: the highest number on the ring is ${ring.highestNumber}. 'pazpaz-keys status' lists the keys.`,
  );
}
