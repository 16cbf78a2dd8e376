import type { Tag } from '@aws-sdk/client-secrets-manager';
import { numberingLabel, type KeyNumber } from '../../format/key-number.ts';
import { copyTagKey, copyVersions } from '../../format/retired-tag.ts';
import { ringLabels, withNumber, type RingLabels } from '../../format/ring-labels.ts';
import type { RingChange } from '../../secret/fresh-ring.ts';
import { moveLabel } from '../../secret/move-label.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { tagCopies } from '../move/copies.ts';
import { adoptInUse } from '../ring/adoption.ts';
import { detachLabel, holderOf, RESTORING_LABEL, withoutLabels } from '../ring/labels.ts';
import { restoredVersionId } from '../move/derived-version.ts';
import { requireSeen } from '../ring/look-again.ts';
import {
  describedRing,
  onSettledRing,
  readableKey,
  refuseRotationUnderWay,
  requirePlaceFor,
  type DescribedRing,
} from '../ring/ring.ts';
import { FORGOTTEN, forgottenNumbers, forgottenTag, removeRecords, retiredNumbers } from '../ring/retired-tags.ts';
import { store } from '../ring/store.ts';
import { setTags } from '../ring/tags.ts';
import { requireTagRoom, untagCopy } from '../ring/version-tags.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';
import type { BackedUpKey, RingBackup } from './ring-backup.ts';

/** What was done, or would be. */
export interface BroughtKeys {
  readonly brought: readonly KeyNumber[];
  /** On the ring already, with the same key. */
  readonly wereThere: readonly KeyNumber[];
  /** They name another key on this ring. Their keys were not brought. */
  readonly taken: readonly KeyNumber[];
  /** They stay retired. */
  readonly retired: readonly KeyNumber[];
  /** On the ring only. */
  readonly notInBackup: readonly KeyNumber[];
  readonly current: KeyNumber | undefined;
}

/** With those of its numbers that the ring lacks. */
interface MissingKey {
  readonly key: BackedUpKey;
  readonly numbers: readonly KeyNumber[];
  /** A version in use that holds this key and has lost its number. */
  readonly inUse?: string;
}

interface Compared extends Omit<BroughtKeys, 'brought' | 'current'> {
  readonly keys: readonly MissingKey[];
}

export interface BringOptions {
  /** Also brings retired keys, and removes the records of their retirement. */
  readonly withRetired?: boolean;
}

/**
 * Brings every number that the ring lacks, each with its key. On a secret without a value, the backup's current key
 * becomes current; otherwise `AWSCURRENT` stays. Before it writes, it refuses a backup of another ring
 * (`NOT_RESTORABLE`), a rotation under way, and too few free labels (`RING_FULL`). It can be killed and run again: a
 * key and its number always make the same version.
 */
export async function bringKeys(
  deps: CommandDependencies,
  backup: RingBackup,
  options: BringOptions = {},
): Promise<BroughtKeys> {
  const before = await describedRing(deps);
  const planned = await compared(deps, before, backup, options);
  await check(deps, before.ring, planned);
  // The list of retired keys, and two tags for versions with a key that was brought.
  await requireTagRoom(deps, before.secret.Tags, [FORGOTTEN, copyTagKey('1'), copyTagKey('2')]);
  if (planned.keys.length > 0) await confirmed(deps, before.ring, planned, backup);
  const brought = new Set<KeyNumber>();
  let seen = planned;
  await onSettledRing(deps, async ({ secret, ring }) => {
    seen = await compared(deps, { secret, ring }, backup, options);
    await check(deps, ring, seen);
    const given = await nameInUse(deps, ring, seen, brought);
    // Another key in use gets the next number, as the Lambda could give it at any moment.
    let change = await adoptInUse(deps, given);
    if (change.ring !== ring) {
      seen = await compared(deps, { secret, ring: change.ring }, backup, options);
      change = { ...change, wrote: true };
    }
    let tags: readonly Tag[] | undefined = secret.Tags;
    for (const { key, numbers } of seen.keys) {
      const versionId = restoredVersionId(key.key, key.numbers[0] ?? 0);
      if (copyVersions(tags).has(versionId)) tags = await untagCopy(deps, tags, versionId);
      for (const number of numbers) {
        change = { ring: await bring(deps, change.ring, key, number), wrote: true };
        brought.add(number);
      }
    }
    return finish(deps, change);
  });
  const numbers = [...brought].sort((one, other) => one - other);
  const done = `The numbers ${numbers.join(', ')} were attached.`;
  const areThere = ({ ring }: DescribedRing): boolean => numbers.every((number) => ring.versionOf.has(number));
  const attached = await requireSeen(deps, done, areThere);
  const material = backup.keys.map(({ key }) => key);
  await tagCopies(deps, attached, material);
  const back = options.withRetired === true ? [...numbers, ...seen.wereThere] : [];
  await keepRetired(deps, attached, backup, back);
  const shown = await requireSeen(deps, done, (described) => {
    const records = retiredNumbers(described.secret.Tags);
    return areThere(described) && !back.some((number) => records.has(number));
  });
  const { current, versionOf } = shown.ring;
  const retiredNow = retiredNumbers(shown.secret.Tags);
  return {
    brought: numbers,
    wereThere: seen.wereThere.filter((number) => !brought.has(number) && versionOf.has(number)),
    taken: seen.taken,
    // Another process may have retired or restored one meanwhile.
    retired: [...seen.retired, ...seen.wereThere.filter((number) => retiredNow.has(number))].filter(
      (number) => !versionOf.has(number),
    ),
    notInBackup: seen.notInBackup,
    current: current === undefined ? undefined : shown.ring.numberOf.get(current),
  };
}

/** The current key comes first, because AWS makes the first one current. */
async function compared(
  deps: CommandDependencies,
  { secret, ring }: DescribedRing,
  backup: RingBackup,
  { withRetired = false }: BringOptions,
): Promise<Compared> {
  const retiredBefore = withRetired ? new Set() : new Set([...retiredNumbers(secret.Tags), ...(backup.retired ?? [])]);
  const keys: MissingKey[] = [];
  const wereThere: KeyNumber[] = [];
  const taken: KeyNumber[] = [];
  const retired: KeyNumber[] = [];
  for (const key of backup.keys) {
    const lacking: KeyNumber[] = [];
    for (const number of key.numbers) {
      const holder = ring.versionOf.get(number);
      if (holder !== undefined) ((await isSameKey(deps, number, holder, key)) ? wereThere : taken).push(number);
      else if (retiredBefore.has(number)) retired.push(number);
      else lacking.push(number);
    }
    if (lacking.length === 0) continue;
    const inUse = await versionInUse(deps, ring, key);
    keys.push({ key, numbers: lacking, ...(inUse === undefined ? {} : { inUse }) });
  }
  if (wereThere.length === 0) await requireSameRing(deps, { secret, ring }, backup, taken);
  const known = backup.keys.flatMap(({ numbers }) => numbers);
  return {
    keys: keys.sort((one, other) => rank(other) - rank(one)),
    wereThere,
    taken,
    retired,
    notInBackup: [...ring.versionOf.keys()].filter((number) => !known.includes(number)).sort((a, b) => a - b),
  };
}

/** With one of AWS's labels and without a number. */
async function versionInUse(
  deps: CommandDependencies,
  ring: RingLabels,
  { key }: BackedUpKey,
): Promise<string | undefined> {
  for (const versionId of [ring.current, ring.previous]) {
    if (versionId === undefined || ring.numberOf.has(versionId)) continue;
    if ((await readableKey(deps, versionId))?.key.equals(key) === true) return versionId;
  }
  return undefined;
}

/** Needs no other version. */
async function nameInUse(
  deps: CommandDependencies,
  ring: RingLabels,
  { keys }: Compared,
  brought: Set<KeyNumber>,
): Promise<RingLabels> {
  let named = ring;
  for (const { numbers, inUse } of keys) {
    if (inUse === undefined) continue;
    for (const number of numbers) {
      await moveLabel(deps, { label: numberingLabel(number), to: inUse });
      named = withNumber(named, inUse, number);
      brought.add(number);
    }
  }
  return named;
}

async function isSameKey(
  deps: CommandDependencies,
  number: KeyNumber,
  holder: string,
  { key }: BackedUpKey,
): Promise<boolean> {
  const here = await readableKey(deps, holder);
  if (here !== undefined) return here.key.equals(key);
  throw new CommandRefusal(
    'NOT_RESTORABLE',
    `Key ${number} is on the ring (version ${holder}) and cannot be read, so it cannot be compared with the backup.`,
    step('doctor'),
  );
}

/**
 * A ring without a number of the backup may be another one, whose rows would meet a foreign key. It is this one if the
 * backup is of this secret, or if an interrupted restoration has put one of its keys.
 */
async function requireSameRing(
  deps: CommandDependencies,
  { secret, ring }: DescribedRing,
  backup: RingBackup,
  taken: readonly KeyNumber[],
): Promise<void> {
  const isEmpty = ring.current === undefined && ring.versionOf.size === 0;
  if (isEmpty) return;
  const here = ring.current === undefined ? undefined : await readableKey(deps, ring.current);
  if (here !== undefined && backup.keys.some(({ key }) => key.equals(here.key))) return;
  if (backup.secret === secret.ARN && taken.length === 0) return;
  throw new CommandRefusal(
    'NOT_RESTORABLE',
    `This is the backup of another ring (${backup.secret}): no number names the same key here. Restore it into a ` +
      'secret of its own, without a value.',
    step('status'),
  );
}

async function check(deps: CommandDependencies, ring: RingLabels, { keys }: Compared): Promise<void> {
  await refuseRotationUnderWay(deps, ring);
  if (keys.length === 0) return;
  let named = ring;
  for (const { numbers, inUse } of keys) {
    if (inUse !== undefined) named = numbers.reduce((so, number) => withNumber(so, inUse, number), named);
  }
  const others = keys.filter(({ inUse }) => inUse === undefined).flatMap(({ numbers }) => numbers);
  await requirePlaceFor(deps, named, RESTORING_LABEL, others.length);
}

async function confirmed(
  deps: CommandDependencies,
  ring: RingLabels,
  { keys }: Compared,
  { secret, madeAt }: RingBackup,
): Promise<void> {
  const numbers = keys.flatMap((key) => key.numbers).sort((one, other) => one - other);
  await deps.confirm({
    action: `Restore ${numbers.length === 1 ? 'key' : 'keys'} ${numbers.join(', ')} from the backup of ${secret} (${madeAt})`,
    risk:
      ring.current === undefined
        ? 'The key that was current in the backup becomes current.'
        : 'They only decrypt. The current key stays current. A key that was retired for a reason comes back, too, if ' +
          'nothing records that.',
  });
}

/**
 * Puts the key unless it is there, and gives it the number by compare-and-swap: a rotation, a put or an adoption may
 * give the same one. Throws `LABEL_CONFLICT` then. The first key of an empty secret becomes current at once, and
 * adoption would give it number 1, so it is put together with its number.
 */
async function bring(
  deps: CommandDependencies,
  ring: RingLabels,
  key: BackedUpKey,
  number: KeyNumber,
): Promise<RingLabels> {
  const label = numberingLabel(number);
  const isFirst = ring.current === undefined && ring.versionOf.size === 0;
  const labels = isFirst && number > 1 ? [RESTORING_LABEL, label] : [RESTORING_LABEL];
  const versionId = await store(deps, key.value(), labels, restoredVersionId(key.key, key.numbers[0] ?? number));
  const before = withoutLabels(ring, [RESTORING_LABEL]).stages;
  const added = [...labels, ...(ring.current === undefined ? ['AWSCURRENT'] : [])];
  const stored = ringLabels({ ...before, [versionId]: [...(before[versionId] ?? []), ...added] });
  // A version from an earlier run keeps its labels, so the number is attached in any case.
  await moveLabel(deps, { label, to: versionId });
  return (await finish(deps, { ring: withNumber(stored, versionId, number), wrote: true })).ring;
}

/**
 * Takes over the backup's list of retired keys if the secret lacks it. Removes records of keys that were brought back,
 * also those that this description does not show yet.
 */
async function keepRetired(
  deps: CommandDependencies,
  { secret: { Tags }, ring }: DescribedRing,
  { retired = [] }: RingBackup,
  back: readonly KeyNumber[],
): Promise<void> {
  const known = forgottenNumbers(Tags);
  const recorded = retiredNumbers(Tags);
  const added = retired.filter((number) => !recorded.has(number) && !ring.versionOf.has(number));
  const kept = [...known, ...added].filter((number) => !back.some((one) => one === number));
  if (added.length > 0 || kept.length < known.size) await setTags(deps, [forgottenTag(kept)]);
  if (back.length > 0) await removeRecords(deps, back);
}

async function finish(deps: CommandDependencies, change: RingChange): Promise<RingChange> {
  const versionId = restoringVersion(change.ring);
  if (versionId === undefined) return change;
  await detachLabel(deps, RESTORING_LABEL, versionId);
  return { ring: withoutLabels(change.ring, [RESTORING_LABEL]), wrote: true };
}

function restoringVersion({ stages }: RingLabels): string | undefined {
  return holderOf(stages, RESTORING_LABEL);
}

function rank({ key, numbers }: MissingKey): number {
  return key.isCurrent ? Infinity : Math.max(...numbers);
}
