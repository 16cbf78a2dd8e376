import { createHash } from 'node:crypto';
import { numberingLabel, type KeyNumber } from '../../format/key-number.ts';
import { retiredKeys } from '../../format/retired-tag.ts';
import { ringLabels, withNumber, type RingLabels } from '../../format/ring-labels.ts';
import type { RingChange } from '../../secret/fresh-ring.ts';
import { moveLabel } from '../../secret/numbering.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { detachLabel, withoutLabels } from '../ring/labels.ts';
import { requireSeen } from '../ring/look-again.ts';
import {
  describedRing,
  onSettledRing,
  readableKey,
  refuseRotationUnderWay,
  requireSlots,
  type DescribedRing,
} from '../ring/ring.ts';
import { store } from '../ring/store.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';
import type { BackedUpKey, RingBackup } from './ring-backup.ts';

/** On a restored version from its put until it has its number. A label that no number names: adoption leaves it alone. */
const RESTORING_LABEL = 'key-restoring';

/** What a restoration has done, or would do. */
export interface BroughtKeys {
  /** Numbers that were brought. */
  readonly brought: readonly KeyNumber[];
  /** Numbers that the ring had already, with the same key. */
  readonly wereThere: readonly KeyNumber[];
  /** Numbers that were retired on this ring, and stay so. */
  readonly retired: readonly KeyNumber[];
  readonly current: KeyNumber | undefined;
}

/** A key of the backup, and those of its numbers that the ring lacks. */
interface MissingKey {
  readonly key: BackedUpKey;
  readonly numbers: readonly KeyNumber[];
}

/** What a ring lacks of a backup. */
interface Missing {
  readonly keys: readonly MissingKey[];
  readonly wereThere: readonly KeyNumber[];
  readonly retired: readonly KeyNumber[];
}

/**
 * Brings every number of a backup onto the ring that it does not have, each with exactly its key. On a secret without a
 * value, the key that was current in the backup becomes current; otherwise `AWSCURRENT` stays where it is.
 *
 * Before it writes anything, it refuses a backup of another ring (`NOT_RESTORABLE`: a number names another key here),
 * a rotation under way, and a ring without enough free labels (`RING_FULL`). It can be killed and run again: each key
 * is then found by its value.
 */
export async function bringKeys(deps: CommandDependencies, backup: RingBackup): Promise<BroughtKeys> {
  const before = await describedRing(deps);
  const planned = await missingKeys(deps, before, backup);
  await check(deps, before.ring, planned);
  if (planned.keys.length > 0) await confirmed(deps, before.ring, planned, backup);
  const brought = new Set<KeyNumber>();
  let seen = planned;
  const { ring } = await onSettledRing(deps, async (described) => {
    seen = await missingKeys(deps, described, backup);
    await check(deps, described.ring, seen);
    let change: RingChange = { ring: described.ring, wrote: false };
    for (const { key, numbers: lacking } of seen.keys) {
      for (const number of lacking.filter((each) => !change.ring.versionOf.has(each))) {
        change = { ring: await bring(deps, change.ring, backup, key, number), wrote: true };
        brought.add(number);
      }
    }
    return finish(deps, change);
  });
  const numbers = [...brought].sort((one, other) => one - other);
  if (numbers.length > 0) {
    await requireSeen(deps, `${numbers.length} numbers were brought.`, ({ ring: shown }) =>
      [...ring.versionOf].every(([number, versionId]) => shown.versionOf.get(number) === versionId),
    );
  }
  return {
    brought: numbers,
    wereThere: seen.wereThere.filter((number) => !brought.has(number)),
    retired: seen.retired,
    current: ring.current === undefined ? undefined : ring.numberOf.get(ring.current),
  };
}

/**
 * In the order in which they are brought: the current key first, which AWS makes current on an empty secret, then the
 * others from the highest number down. Every further number is then below the highest, so no rotation can give it.
 */
async function missingKeys(
  deps: CommandDependencies,
  { secret, ring }: DescribedRing,
  { keys }: RingBackup,
): Promise<Missing> {
  const records = retiredKeys(secret.Tags).map(({ number }) => number);
  const missing: MissingKey[] = [];
  const wereThere: KeyNumber[] = [];
  const retired: KeyNumber[] = [];
  for (const key of keys) {
    const lacking: KeyNumber[] = [];
    for (const number of key.numbers) {
      const holder = ring.versionOf.get(number);
      if (holder !== undefined) {
        await requireSameKey(deps, number, holder, key);
        wereThere.push(number);
      } else if (records.includes(number)) retired.push(number);
      else lacking.push(number);
    }
    if (lacking.length > 0) missing.push({ key, numbers: lacking });
  }
  missing.sort((one, other) => rank(other) - rank(one));
  return { keys: missing, wereThere, retired };
}

async function requireSameKey(
  deps: CommandDependencies,
  number: KeyNumber,
  holder: string,
  { key }: BackedUpKey,
): Promise<void> {
  const here = await readableKey(deps, holder);
  if (here?.key.equals(key) === true) return;
  throw new CommandRefusal(
    'NOT_RESTORABLE',
    here === undefined
      ? `Key ${number} is on the ring (version ${holder}) and cannot be read, so nothing shows that this is a backup ` +
          'of this ring.'
      : `Number ${number} names another key on this ring (version ${holder}) than in the backup, which is of another ` +
          'ring. Restore it into a secret of its own, without a value.',
    step('status'),
  );
}

async function check(deps: CommandDependencies, ring: RingLabels, { keys }: Missing): Promise<void> {
  await refuseRotationUnderWay(deps, ring);
  const numbers = keys.flatMap((key) => key.numbers);
  // These come first, and each has the label of the restoration beside its number for a moment.
  const swapped = numbers.filter((number) => needsSwap(ring, number)).length;
  const held = restoringVersion(ring) === undefined ? 0 : 1;
  await requireSlots(deps, ring, Math.max(0, Math.max(numbers.length, swapped === 0 ? 0 : swapped + 1) - held));
}

async function confirmed(
  deps: CommandDependencies,
  ring: RingLabels,
  { keys }: Missing,
  { secret, madeAt }: RingBackup,
): Promise<void> {
  const numbers = keys.flatMap((key) => key.numbers).sort((one, other) => one - other);
  await deps.confirm({
    action: `Bring ${numbers.length === 1 ? 'key' : 'keys'} ${numbers.join(', ')} of the backup of ${secret} (${madeAt})`,
    risk:
      ring.current === undefined
        ? 'The key that was current in the backup becomes current.'
        : 'They only decrypt. The current key stays current.',
  });
}

/** Puts the key, unless an earlier run has, and gives its version the number. */
async function bring(
  deps: CommandDependencies,
  ring: RingLabels,
  backup: RingBackup,
  key: BackedUpKey,
  number: KeyNumber,
): Promise<RingLabels> {
  const label = numberingLabel(number);
  const labels = [needsSwap(ring, number) ? RESTORING_LABEL : label];
  const isFirst = ring.current === undefined;
  const versionId = await store(deps, key.value(), labels, versionIdOf(backup, key));
  const stored = ringLabels({ ...ring.stages, [versionId]: [...labels, ...(isFirst ? ['AWSCURRENT'] : [])] });
  // A version from an earlier run keeps the labels that it has, so the number is attached in any case.
  await moveLabel(deps, { label, to: versionId });
  return (await finish(deps, { ring: withNumber(stored, versionId, number), wrote: true })).ring;
}

/** Does not change between runs over a backup, so that two at once, or one after a kill, make one version. */
function versionIdOf({ secret, madeAt }: RingBackup, { numbers: [number] }: BackedUpKey): string {
  const digits = createHash('sha256')
    .update(`${secret} ${madeAt} ${number ?? 0}`)
    .digest('hex');
  return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/, '$1-$2-4$3-8$4-$5');
}

/**
 * Whether another process may give this number at the same time: a rotation gives the next one, and adoption gives 1 on
 * a secret without numbers. Such a number is attached by compare-and-swap. No one gives a number below the highest, so
 * that it can be put with its value.
 */
function needsSwap(ring: RingLabels, number: KeyNumber): boolean {
  return ring.current === undefined ? number === 1 : number > ring.highestNumber;
}

/** Detaches the label of the restoration. */
async function finish(deps: CommandDependencies, change: RingChange): Promise<RingChange> {
  const versionId = restoringVersion(change.ring);
  if (versionId === undefined) return change;
  await detachLabel(deps, RESTORING_LABEL, versionId);
  return { ring: withoutLabels(change.ring, [RESTORING_LABEL]), wrote: true };
}

function restoringVersion({ stages }: RingLabels): string | undefined {
  return Object.keys(stages).find((id) => stages[id]?.includes(RESTORING_LABEL));
}

function rank({ key, numbers }: MissingKey): number {
  return key.isCurrent ? Infinity : Math.max(...numbers);
}
