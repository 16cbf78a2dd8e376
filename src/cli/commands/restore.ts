import { KeyRotationError } from '../../format/error.ts';
import { numberingLabel, type KeyNumber } from '../../format/key-number.ts';
import { restoringTag, retiredKeys, type RetiredKey } from '../../format/retired-tag.ts';
import { withNumber } from '../../format/ring-labels.ts';
import { moveLabel } from '../../secret/move-label.ts';
import { requireFreeSlots } from '../../secret/numbering.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { command } from '../command.ts';
import { COUNT, described, listOf, object, TEXT, YES_OR_NO } from '../json/shapes.ts';
import { keyNumber } from '../key-number-argument.ts';
import { isDerived } from '../move/derived-version.ts';
import { requireSeen } from '../ring/look-again.ts';
import { onSettledRing, readableKey, type DescribedRing } from '../ring/ring.ts';
import { removeRecords } from '../ring/retired-tags.ts';
import { setTags } from '../ring/tags.ts';
import { listVersions } from '../ring/versions.ts';
import { capitalized, keyList } from '../terminal/table.ts';
import { CommandRefusal, step, type NextStep } from '../suggested-commands.ts';

const RESTORED = { versionId: TEXT, numbers: listOf(COUNT), wasThere: YES_OR_NO };

export const RESTORE = command<object>({
  name: 'restore',
  summary: 'Bring retired keys back, while AWS still has them',
  examples: ['pazpaz-keys restore 1', 'pazpaz-keys restore 3 4'],
  result: object(RESTORED, { others: described('The keys after the first one', listOf(object(RESTORED))) }),
  writes: 'at once',
  setUp: (program) => program.argument('<numbers...>', 'the numbers of the keys', keyNumber),
  run: async ({ deps }, _, numbers) => {
    const result = await runRestore(deps, ...numbers.map(keyNumber));
    return { result, lines: () => [result, ...(result.others ?? [])].map(restoreLine) };
  },
});

interface RestoredKey {
  readonly versionId: string;
  /** Every number of the key: one, unless its version had several. */
  readonly numbers: readonly number[];
  /** Whether it was on the ring before, as far as AWS showed. */
  readonly wasThere: boolean;
}

export interface RestoreResult extends RestoredKey {
  /** The keys after the first one, where several were asked for. */
  readonly others?: readonly RestoredKey[];
}

/**
 * Gives retired keys their numbers back and removes their retirement records. Before it writes anything, it refuses a
 * number that was never retired or whose version is gone (`NOT_RESTORABLE`), and a ring without free labels
 * (`RING_FULL`).
 *
 * A description may be a few writes old and still show a label that a retirement has removed. So a key counts as on the
 * ring if two descriptions show it there without a record, six seconds apart. Where there is a record, the labels are
 * attached whether a description shows them or not. The record is removed last, once a later description shows them
 * (else `NOT_SEEN_YET`), so that one of the two always says where the key is. Until then the record says that the key
 * is wanted again: no retirement takes an interrupted restore for its own first half.
 */
export async function runRestore(deps: CommandDependencies, ...numbers: readonly KeyNumber[]): Promise<RestoreResult> {
  let wanted: readonly Wanted[] = [];
  await onSettledRing(deps, async (described) => {
    const { ring } = described;
    wanted = await wantedKeys(deps, described, numbers);
    const missing = wanted.flatMap((key) => key.missing.map((number) => [key.versionId, number] as const));
    requireFreeSlots(ring, missing.length);
    const recorded = wanted.filter(({ records }) => records.length > 0);
    if (recorded.length === 0) return { ring, wrote: false };

    await setTags(
      deps,
      recorded.flatMap(({ records }) => records.map(restoringTag)),
    );
    for (const key of recorded)
      for (const each of key.numbers) await moveLabel(deps, { label: numberingLabel(each), to: key.versionId });
    return { ring: missing.reduce((so, [versionId, each]) => withNumber(so, versionId, each), ring), wrote: true };
  });
  const recorded = wanted.filter(({ records }) => records.length > 0);
  if (recorded.length > 0) await forget(deps, recorded);
  const [first, ...others] = wanted.map(({ versionId, numbers: all, missing }): RestoredKey => ({
    versionId,
    numbers: all,
    wasThere: missing.length === 0,
  }));
  if (first === undefined) throw new KeyRotationError('NOT_RESTORABLE', 'No key was named.');
  return { ...first, ...(others.length === 0 ? {} : { others }) };
}

/** A key that was asked for. */
interface Wanted {
  readonly number: KeyNumber;
  readonly versionId: string;
  /** The numbers that it has then. */
  readonly numbers: readonly KeyNumber[];
  /** Of these, the ones that it does not have yet. */
  readonly missing: readonly KeyNumber[];
  /** None: it is on the ring. */
  readonly records: readonly RetiredKey[];
}

async function wantedKeys(
  deps: CommandDependencies,
  described: DescribedRing,
  asked: readonly KeyNumber[],
): Promise<readonly Wanted[]> {
  const wanted: Wanted[] = [];
  const refused: CommandRefusal[] = [];
  for (const number of asked) {
    if (wanted.some(({ numbers }) => numbers.includes(number))) continue;
    try {
      wanted.push(await wantedKey(deps, described, number));
    } catch (error) {
      if (!(error instanceof CommandRefusal)) throw error;
      refused.push(error);
    }
  }
  const [first] = refused;
  if (first !== undefined) throw wanted.length === 0 ? first : exceptFor(refused, wanted, first.next);
  return wanted;
}

/** One key that cannot be restored must not hold up the others. */
function exceptFor(
  refused: readonly CommandRefusal[],
  wanted: readonly Wanted[],
  next: readonly NextStep[],
): CommandRefusal {
  const others = wanted.map(({ number }) => number);
  const reasons = refused.map(({ message }) => message);
  return new CommandRefusal(
    'NOT_RESTORABLE',
    `${reasons.join(' ')} Nothing was restored. ${capitalized(keyList(others))} can be restored alone.`,
    step('restore', ...others.map(String)),
    ...next,
  );
}

async function wantedKey(deps: CommandDependencies, described: DescribedRing, number: KeyNumber): Promise<Wanted> {
  const { versionOf } = described.ring;
  const records = recordsOf(described, number);
  const holder = versionOf.get(number);
  const [record] = records;
  if (record === undefined) {
    if (holder === undefined) throw notRetired(number, described);
    const numbers = [...versionOf.keys()].filter((each) => versionOf.get(each) === holder);
    return { number, versionId: holder, numbers, missing: [], records };
  }
  const versionId = await versionToRestore(deps, record, holder);
  await requireExisting(deps, number, versionId);
  const isOpen = (each: KeyNumber): boolean => [undefined, versionId].includes(versionOf.get(each));
  const numbers = records.map((each) => each.number).filter(isOpen);
  return { number, versionId, numbers, missing: numbers.filter((each) => !versionOf.has(each)), records };
}

/** The record of this number, and those of other numbers of its version. */
function recordsOf({ secret }: DescribedRing, number: KeyNumber): readonly RetiredKey[] {
  const all = retiredKeys(secret.Tags);
  const own = all.find((record) => record.number === number);
  return all.filter((record) => record.versionId === own?.versionId);
}

/**
 * The version of the record; or the one that has the number by now, if it has the same key. That is so, too, if move or
 * restore-ring has made it, and the other cannot be read any more. If AWS has deleted the other, the record is about
 * nothing, and only the number counts.
 */
async function versionToRestore(
  deps: CommandDependencies,
  { number, versionId: recorded }: RetiredKey,
  holder: string | undefined,
): Promise<string> {
  if (holder === undefined || holder === recorded) return recorded;
  const [one, other] = [await readableKey(deps, recorded), await readableKey(deps, holder)];
  if (one !== undefined && other?.key.equals(one.key) === true) return holder;
  if (one === undefined && other !== undefined && isDerived(holder, other.key, number)) return holder;
  if (!(await isLeft(deps, recorded))) return holder;
  throw new CommandRefusal(
    'NOT_RESTORABLE',
    one === undefined || other === undefined
      ? `Number ${number} is on version ${holder}, and its record names version ${recorded}. Whether both have the same ` +
          `key cannot be seen, because version ${one === undefined ? recorded : holder} cannot be read now: doctor says why.`
      : `Number ${number} is on version ${holder}, which has another key than the retired version ${recorded}: it must have ` +
          'been labelled by hand. A number never names two versions: status says how to put it back, or to remove the record.',
    step(one === undefined || other === undefined ? 'doctor' : 'status'),
  );
}

async function isLeft(deps: CommandDependencies, versionId: string): Promise<boolean> {
  return (await listVersions(deps)).some((version) => version.VersionId === versionId);
}

async function requireExisting(deps: CommandDependencies, number: KeyNumber, versionId: string): Promise<void> {
  if (await isLeft(deps, versionId)) return;
  throw new CommandRefusal(
    'NOT_RESTORABLE',
    `Key ${number} cannot be restored: AWS has deleted its version ${versionId}. Rows under it can be read only ` +
      'with a backup: restore-ring --retired brings it from one of the ring, put --not-current adds a single key.',
    step('put', '--not-current'),
  );
}

/** Removes the records once a description shows the labels. */
async function forget(deps: CommandDependencies, keys: readonly Wanted[]): Promise<void> {
  const done = keys
    .map(({ numbers, versionId }) => `The label of ${keyList(numbers)} was attached to version ${versionId}.`)
    .join(' ');
  const all = keys.flatMap(({ numbers }) => numbers);
  const areBack = ({ ring }: DescribedRing): boolean =>
    keys.every(({ numbers, versionId }) => numbers.every((each) => ring.versionOf.get(each) === versionId));
  await requireSeen(deps, done, areBack);
  await removeRecords(deps, all);
  await requireSeen(
    deps,
    `${done} The record of its retirement was removed.`,
    (described) => areBack(described) && !retiredKeys(described.secret.Tags).some(({ number }) => all.includes(number)),
  );
}

function notRetired(number: KeyNumber, { secret, ring }: DescribedRing): CommandRefusal {
  const never = number > ring.highestNumber ? ` The highest number on the ring is ${ring.highestNumber}.` : '';
  const known = retiredKeys(secret.Tags).map((record) => record.number);
  return new CommandRefusal(
    'NOT_RESTORABLE',
    `There is no retirement record of key ${number}; recorded: ${known.join(', ') || 'none'}.${never} A version without ` +
      'labels that status still lists can come back under a new number: adopt --version-id. If AWS has deleted it, ' +
      'restore-ring brings the key from a backup of the ring.',
    step('status'),
  );
}

function restoreLine({ numbers, versionId, wasThere }: RestoredKey): string {
  return wasThere
    ? `${capitalized(keyList(numbers))} is on the ring (version ${versionId}).`
    : `${capitalized(keyList(numbers))} is back on the ring (version ${versionId}).`;
}
