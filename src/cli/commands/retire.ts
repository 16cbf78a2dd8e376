import type { Tag } from '@aws-sdk/client-secrets-manager';
import { Option } from 'commander';
import type { KeyRotationError } from '../../format/error.ts';
import { type KeyNumber, numberingLabel } from '../../format/key-number.ts';
import {
  retiredKeys,
  retiredTag,
  retiredTagKey,
  retirementRecords,
  type CountedRows,
  type RetiredKey,
  type RetirementRecord,
} from '../../format/retired-tag.ts';
import { INCOMING_LABEL, type RingLabels } from '../../format/ring-labels.ts';
import type { SkippedTable } from '../../postgres/find-columns.ts';
import { refused } from '../../secret/aws-error.ts';
import { MOST_SAMPLED } from '../../postgres/sample/read-sample.ts';
import { keepNumbers } from '../../secret/numbering.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { command } from '../command.ts';
import { COUNTED_ROWS, LISTED_MEMBER, NOT_COUNTED, UNREAD_KEYS } from '../json/row-schemas.ts';
import { COUNT, described, listOf, object, RETIRED, YES_OR_NO } from '../json/shapes.ts';
import { keyNumber } from '../key-number-argument.ts';
import { incomingVersion } from '../ring/incoming.ts';
import { detachLabel, withoutLabels } from '../ring/labels.ts';
import {
  hasPassedAgeCheck,
  requireNoRows,
  requireOldEnough,
  requireOutOfUse,
  requireReadable,
  requirePrimary,
  requireSettled,
  requireReplicas,
} from '../ring/retire-checks.ts';
import {
  FORGOTTEN,
  FORGOTTEN_VERSIONS,
  forgottenNumbers,
  forgottenTag,
  forgottenVersionsTag,
  outdatedRecords,
} from '../ring/retired-tags.ts';
import { refuseRotationUnderWay, stateChanged, type DescribedRing } from '../ring/ring.ts';
import { requireSeen, settledRing } from '../ring/look-again.ts';
import { removeTags, requireRoom } from '../ring/tags.ts';
import { listVersions } from '../ring/versions.ts';
import { countedLine, grouped } from '../rows/census-screen.ts';
import { columnOptions, readingOptions, namesColumns } from '../rows/column-options.ts';
import type { ColumnFlags } from '../rows/column-flags.ts';
import { censusOf } from '../rows/retire-census.ts';
import { noCensus, type Census } from '../rows/row-count.ts';
import { unreadLine, type UnreadKeys } from '../rows/unread-keys.ts';
import { keyList } from '../terminal/table.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';

interface RetireFlags extends ColumnFlags {
  readonly force?: boolean;
  readonly unreadIsFine?: boolean;
}

export const RETIRE = command<RetireFlags>({
  name: 'retire',
  summary: 'Take keys off the ring that no row needs any more, so that AWS may delete them',
  details:
    'It refuses a key in use. It refuses while a rotation is under way, until 24 hours after the last change of the secret ' +
    'and the last re-encryption of a row of the key, while a replica of it is not in sync, and while a census finds rows that ' +
    'may need the key. Before you retire a key, restart processes that use a key directly. restore brings a key back.',
  examples: [
    'pazpaz-keys retire 1 --columns columns.json --dry-run',
    "pazpaz-keys retire 1 2 --table patients --column notes --context 'patients:{id}:notes' --yes",
    'pazpaz-keys retire 1 --force --confirm 1',
  ],
  result: object(
    { retired: listOf(object(RETIRED)), alreadyRetired: listOf(COUNT) },
    {
      counted: described(
        'The rows that were counted before; absent without a census',
        listOf(object(COUNTED_ROWS, LISTED_MEMBER)),
      ),
      ...NOT_COUNTED,
      isDurable: described('false: the database runs with fsync = off', YES_OR_NO),
      ...UNREAD_KEYS,
    },
  ),
  writes: 'asks',
  setUp: (program) =>
    readingOptions(columnOptions(program))
      .argument('<numbers...>', 'numbers of the keys', keyNumber)
      .addOption(new Option('--force', 'skip census and waiting time: rows may be lost for good'))
      .option('--empty-is-fine', 'accept columns without a single value as evidence')
      .option('--unlisted-is-fine', 'accept that columns which hold ciphertexts were not counted')
      .option('--skipped-is-fine', 'accept that tables could not be looked at for columns that are not listed')
      .option(
        '--unread-is-fine',
        'accept that the key cannot be read, so that ciphertexts of it inside values are not found',
      )
      .option('--confirm <numbers>', 'the same numbers again, for --force without a terminal'),
  run: async (session, flags, numbers, world) => {
    const rows = namesColumns(flags) ? censusOf(session, flags, world) : (world.census ?? noCensus);
    const result = await runRetire(session.deps, rows, {
      numbers: numbers.map(keyNumber),
      force: flags.force,
      unreadIsFine: flags.unreadIsFine,
    });
    return {
      result,
      lines: () => [retireLine(result), ...basisOf(result)],
    };
  },
});

export interface RetireOptions {
  readonly numbers: readonly KeyNumber[];
  /** Skips the age check and the census. */
  readonly force?: boolean | undefined;
  /** Accepts that a key cannot be read. */
  readonly unreadIsFine?: boolean | undefined;
}

export interface RetireResult {
  readonly retired: readonly RetiredKey[];
  /** Numbers that were already off the ring. */
  readonly alreadyRetired: readonly number[];
  /** What was counted, where a census allowed it. */
  readonly counted?: readonly CountedRows[];
  /** Columns that were not counted, and whose values look like ciphertexts. */
  readonly unlisted?: readonly string[];
  /** Tables that could not be looked at for such columns. */
  readonly skipped?: readonly SkippedTable[];
  /** `false`: a crash of the database's machine may bring back rows that need the key. */
  readonly isDurable?: false;
  /** Keys of the ring that could not be read for the census. */
  readonly unreadKeys?: readonly UnreadKeys[];
}

/** What a retirement without `--force` rests on. */
type Basis = Pick<RetireResult, 'counted' | 'unlisted' | 'skipped' | 'unreadKeys' | 'isDurable'>;

/**
 * Removes the numbering labels of keys, so that AWS may delete them, and leaves a tag for each, from which `restore`
 * finds it again. All checks come before the first write: `IS_REPLICA`, `KEY_NEVER_ISSUED`, `KEY_STILL_NEEDED`,
 * `ROTATION_UNDER_WAY`, `REPLICA_BEHIND`, `TOO_EARLY_TO_RETIRE`, the census (`NO_CENSUS`, `ROWS_STILL_NEED_KEY`), and
 * `STATE_CHANGED` if more keys would go than the question named. If a retirement was interrupted between tag and label, the same command finishes it. Its age
 * check counts as passed, unless it was forced or the secret has changed since
 * (docs/adr/0013-what-counts-as-an-age-check.md).
 */
export async function runRetire(
  deps: CommandDependencies,
  census: Census,
  { numbers, force = false, unreadIsFine = false }: RetireOptions,
): Promise<RetireResult> {
  const isGone = ({ ring }: DescribedRing): boolean => numbers.some((number) => !ring.versionOf.has(number));
  const first = await settledRing(deps, isGone);
  requirePrimary(first.secret);
  const going = await check(deps, first, numbers);
  let basis: Basis = {};
  if (going.length > 0) {
    if (!force) {
      requireReplicas(first.secret);
      const isFirst = going.some((key) => passedRecord(key, first.secret) === undefined);
      if (isFirst) requireOldEnough(first.secret.LastChangedDate, deps.now());
      const asked = going.map(({ number }) => number);
      const found = await census(asked);
      requireNoRows(found, asked);
      if (!unreadIsFine) requireReadable(found, asked);
      if (isFirst) requireSettled(found, asked, deps.now());
      const { counted, unlisted = [], skipped = [], unreadKeys = [], isDurable = true } = found;
      basis = {
        counted,
        ...(unlisted.length === 0 ? {} : { unlisted }),
        ...(skipped.length === 0 ? {} : { skipped }),
        ...(unreadKeys.length === 0 ? {} : { unreadKeys }),
        ...(isDurable ? {} : { isDurable }),
      };
    }
    await deps.confirm(question(going, basis));
  }

  const fresh = await settledRing(deps, isGone);
  const still = await check(deps, fresh, numbers);
  if (!still.every((key) => going.some((asked) => isSameKey(asked, key)))) {
    throw stateChanged(`Retiring ${numbers.join(', ')} would now mean ${names(still)}`);
  }
  const alreadyRetired = [...new Set(numbers)].filter((number) => !fresh.ring.versionOf.has(number));
  if (still.length === 0) return { retired: [], alreadyRetired };
  if (!force) requireReplicas(fresh.secret);
  await writeRecords(deps, fresh, still, { numbers, force, basis });
  // An interrupted put --not-current of an older key left it: adopt would number the key again.
  const incoming = incomingVersion(fresh.ring);
  if (still.some(({ versionId }) => versionId === incoming)) await detachLabel(deps, INCOMING_LABEL, incoming ?? '');
  for (const { number, versionId } of still) await detachLabel(deps, numberingLabel(number), versionId);
  const labels = still.map(({ number }) => numberingLabel(number));
  await keepNumbers(deps, withoutLabels(fresh.ring, labels));
  await requireSeen(deps, `Retired: ${names(still)}.`, ({ ring, secret }) => {
    const recorded = retiredKeys(secret.Tags).map(({ number }) => number);
    return still.every(({ number }) => !ring.versionOf.has(number) && recorded.includes(number));
  });
  return { retired: still, alreadyRetired, ...basis };
}

/** What would go: each given number that is on the ring, and every other number of its version. */
async function check(
  deps: CommandDependencies,
  { secret, ring }: DescribedRing,
  numbers: readonly KeyNumber[],
): Promise<readonly RetiredKey[]> {
  const going = new Map<KeyNumber, RetiredKey>();
  const date = deps.now().toISOString();
  const retired = new Set(retiredKeys(secret.Tags).map(({ number }) => number));
  for (const number of numbers) {
    if (number > ring.highestNumber) throw neverIssued(number, ring);
    const versionId = ring.versionOf.get(number);
    if (versionId === undefined) {
      if (!retired.has(number)) throw notRecorded(number);
      continue;
    }
    for (const [other, holder] of ring.versionOf) {
      if (holder !== versionId) continue;
      requireOutOfUse(ring, other, versionId);
      going.set(other, { number: other, versionId, date });
    }
  }
  await refuseRotationUnderWay(deps, ring);
  return [...going.values()];
}

/**
 * One call for all records, before any label is removed: if the command is killed then, it can be finished for each
 * key. A record that says as much already is written again, because the description may be old and a restore may have
 * removed it since.
 */
async function writeRecords(
  deps: CommandDependencies,
  { secret, ring }: DescribedRing,
  going: readonly RetiredKey[],
  {
    numbers,
    force,
    basis: { counted, skipped = [], unreadKeys = [] },
  }: { readonly numbers: readonly KeyNumber[]; readonly force: boolean; readonly basis: Basis },
): Promise<void> {
  const { secrets, secretId } = deps;
  const tables = skipped.map(({ table }) => table);
  const records = going.map((key) => passedRecord(key, secret) ?? { ...key, isForced: force });
  const isUnread = ({ number }: RetiredKey) => unreadKeys.some((unread) => unread.numbers.includes(number));
  const existing = new Set((await listVersions(deps)).map(({ VersionId }) => VersionId ?? ''));
  const kept = new Set([...numbers, ...going.map(({ number }) => number)]);
  const outdated = outdatedRecords(secret.Tags, existing, [...kept]);
  requireTags(secret.Tags, outdated, records);
  try {
    if (outdated.length > 0) {
      const before = [...forgottenNumbers(secret.Tags), ...outdated.map(({ number }) => number)];
      const onRing = new Set<number>(ring.versionOf.keys());
      const forgotten = before.filter((number) => !onRing.has(number));
      if (forgotten.length === 0) await removeTags(deps, [FORGOTTEN]);
      await secrets.tagResource({
        SecretId: secretId,
        Tags: [
          ...(forgotten.length === 0 ? [] : [forgottenTag(forgotten)]),
          forgottenVersionsTag(secret.Tags, outdated, existing),
        ],
      });
      await secrets.untagResource({ SecretId: secretId, TagKeys: outdated.map(({ number }) => retiredTagKey(number)) });
    }
    await secrets.tagResource({
      SecretId: secretId,
      Tags: records.map((record) =>
        retiredTag(isUnread(record) ? { ...record, isUnread: true } : record, counted, tables),
      ),
    });
  } catch (error) {
    throw refused('TagResource', secretId, error);
  }
}

/** Refuses before the first record: the lists of forgotten keys are set before the outdated records are removed. */
function requireTags(
  tags: readonly Tag[] = [],
  outdated: readonly RetiredKey[],
  records: readonly RetirementRecord[],
): void {
  const lists = outdated.length > 0 ? [FORGOTTEN, FORGOTTEN_VERSIONS] : [];
  requireRoom(tags, lists);
  const gone = outdated.map(({ number }) => retiredTagKey(number));
  const others = tags.filter(({ Key = '' }) => !gone.includes(Key));
  requireRoom(others, [...lists, ...records.map(({ number }) => retiredTagKey(number))]);
}

/** The record that says that this key's retirement began and that its age check counts. */
function passedRecord(
  key: RetiredKey,
  { Tags, LastChangedDate }: DescribedRing['secret'],
): RetirementRecord | undefined {
  return retirementRecords(Tags).find((record) => isSameKey(record, key) && hasPassedAgeCheck(record, LastChangedDate));
}

function isSameKey(one: RetiredKey, other: RetiredKey): boolean {
  return one.number === other.number && one.versionId === other.versionId;
}

/** `counted` is `undefined` where the retirement is forced. */
function question(going: readonly RetiredKey[], basis: Basis) {
  const action = `Retire ${names(going)}: AWS may delete it after 24 hours`;
  if (basis.counted !== undefined) return { action, basis: basisOf(basis) };
  return {
    action,
    risk:
      'Forced: no one has counted the rows that still need it or waited for writers that still use it. Such rows ' +
      'are lost for good once AWS has deleted the version.',
    answer: going.map(({ number }) => number).join(' '),
  };
}

const NO_FSYNC =
  'The database does not wait for its disk (fsync = off): a crash of its machine may bring back rows that need the key.';

const SAMPLED = `Columns that are not listed were only sampled (up to ${grouped(MOST_SAMPLED)} values): others may need the key.`;

/** The rows that were counted, none of which needs the keys, and what was not counted or not looked at. */
function basisOf({ counted = [], unlisted = [], skipped = [], unreadKeys = [], isDurable }: Basis): readonly string[] {
  return [
    ...titled('Counted, and no row needs it:', counted.map(countedLine)),
    ...titled('Not counted, though it looks encrypted:', unlisted),
    ...(counted.length === 0 ? [] : [SAMPLED]),
    ...(isDurable === false ? [NO_FSYNC] : []),
    ...titled('Values under these keys, inside others, were not found:', unreadKeys.map(unreadLine)),
    ...titled('Not looked at:', skipped.map(({ table, reason }) => `${table}: ${reason}`)), // prettier-ignore
  ];
}

function titled(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}

function names(keys: readonly RetiredKey[]): string {
  return keys.map(({ number, versionId }) => `key ${number} (version ${versionId})`).join(', ');
}

/** A number below the highest that is nowhere: it was either retired long ago or never given. */
function notRecorded(number: KeyNumber): KeyRotationError {
  return new CommandRefusal(
    'KEY_NEVER_ISSUED',
    `There is no key ${number} on the ring and no record that it was retired: either the number was never given, ` +
      "or the record is gone with its version. There is nothing to retire. 'status' lists the keys.",
    step('status'),
  );
}

function neverIssued(number: KeyNumber, ring: RingLabels): KeyRotationError {
  return new CommandRefusal(
    'KEY_NEVER_ISSUED',
    `There is no key ${number}: the highest number on the ring is ${ring.highestNumber}. 'status' lists the keys.`,
    step('status'),
  );
}

function retireLine({ retired, alreadyRetired }: RetireResult): string {
  const now =
    retired.length === 0
      ? ''
      : `Retired: ${keyList(retired.map(({ number }) => number))}. Until AWS deletes a key, restore brings it back.`;
  const before = alreadyRetired.length === 0 ? '' : `No longer on the ring: ${keyList(alreadyRetired)}.`;
  return [now, before].filter((sentence) => sentence !== '').join(' ');
}
