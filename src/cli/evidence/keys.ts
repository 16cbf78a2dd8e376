import { numberOfLabel } from '../../format/key-number.ts';
import { wasCurrent, type RingReport, type VersionReport } from '../status/ring-report.ts';
import type { HistoryEntry, KeyFacts, Period } from './evidence.ts';
import { tagDate } from './tag-date.ts';

interface Move {
  readonly at: string;
  readonly versionId: string;
  readonly isEstimated: boolean;
}

/**
 * Every version of a report, and every retired key. From `recordsFrom` on, `history` has each move of `AWSCURRENT`;
 * before that, a key counts as current from the date on which it was made.
 */
export function keyFacts(
  report: RingReport,
  history: readonly HistoryEntry[],
  recordsFrom: string | undefined,
): readonly KeyFacts[] {
  const origins = originsIn(history);
  const periods = periodsOf(movesOf(report, history, recordsFrom, origins), report);
  const retired = new Map(report.retired.map((key) => [key.versionId, key]));
  const kept = report.versions.map((version): KeyFacts => {
    const { versionId, state, created, lastUsed, kmsKeyIds, retiredNumber, labels } = version;
    const made = madeOf(version, report, history, origins);
    const number = version.number ?? retiredNumber;
    const otherNumbers = labels.flatMap((label) => numberOfLabel(label) ?? []).filter((other) => other !== number);
    const date = state === 'retired' ? tagDate(retired.get(versionId)?.date ?? '') : undefined;
    return {
      ...(number === undefined ? {} : { number }),
      ...(otherNumbers.length === 0 ? {} : { otherNumbers }),
      versionId,
      state,
      ...(version.isNoKey === true ? { isNoKey: true } : {}),
      ...(created === undefined ? {} : { created }),
      ...(made === undefined ? {} : { made }),
      current: periods.get(versionId) ?? [],
      ...(date === undefined ? {} : { retired: date }),
      ...(lastUsed === undefined ? {} : { lastUsed }),
      kmsKeyIds,
    };
  });
  const deleted = report.retired
    .filter(({ isLeft }) => !isLeft)
    .map(({ number, versionId, date: text }): KeyFacts => {
      const date = tagDate(text);
      return {
        number,
        versionId,
        state: 'deleted',
        current: periods.get(versionId) ?? [],
        ...(date === undefined ? {} : { retired: date }),
        kmsKeyIds: [],
      };
    });
  return [...kept, ...deleted].sort((one, other) => (one.number ?? Infinity) - (other.number ?? Infinity));
}

/** As far as their state shows. */
const NEVER_CURRENT: readonly string[] = ['pending', 'placeholder', 'arriving', 'abandoned', 'copy', 'no label'];

/** For a version with the key of an earlier one: the version that had the number first. */
type Origins = ReadonlyMap<string, string>;

/** From numbers that went to another version with the same key (docs/adr/0025). */
function originsIn(history: readonly HistoryEntry[]): Origins {
  const origins = new Map<string, string>();
  for (const { event, versionId, formerVersionId } of history) {
    if (event !== 'number-given' || versionId === undefined || formerVersionId === undefined) continue;
    origins.set(versionId, origins.get(formerVersionId) ?? formerVersionId);
  }
  return origins;
}

function madeOf(
  { versionId, made }: VersionReport,
  { versions }: RingReport,
  history: readonly HistoryEntry[],
  origins: Origins,
): string | undefined {
  const origin = origins.get(versionId);
  if (made !== undefined || origin === undefined) return made;
  const recorded = history.find((entry) => entry.event === 'key-made' && entry.versionId === origin)?.at;
  return (versions.find((version) => version.versionId === origin)?.created ?? recorded)?.slice(0, 10);
}

function movesOf(
  report: RingReport,
  history: readonly HistoryEntry[],
  recordsFrom = '',
  origins: Origins,
): readonly Move[] {
  const holders = new Map([...origins].map(([versionId, origin]) => [origin, versionId]));
  const recorded = history.flatMap(({ event, at, versionId }): readonly Move[] =>
    versionId !== undefined && (event === 'made-current' || event === 'rolled-back')
      ? [{ at, versionId: holders.get(versionId) ?? versionId, isEstimated: false }]
      : [],
  );
  const known = new Set(recorded.map(({ versionId }) => versionId));
  const estimated = report.versions.flatMap((version): readonly Move[] => {
    const { versionId, state, isRescued } = version;
    const made = madeOf(version, report, history, origins);
    const created = made === undefined ? version.created : `${made}T00:00:00.000Z`;
    // CreateSecret and UpdateSecret make a key current, too, and no record of that is left.
    const isInUse = state === 'current' || state === 'previous';
    const isRecorded = known.has(versionId) || (!isInUse && recordsFrom !== '' && (created ?? '') >= recordsFrom);
    const isNever = NEVER_CURRENT.includes(state) && !(state === 'pending' && wasCurrent(version, report));
    if (created === undefined || isRecorded || isRescued === true || isNever) return [];
    return state === 'foreign label only' ? [] : [{ at: created, versionId, isEstimated: true }];
  });
  return [...recorded, ...estimated].sort((one, other) => (one.at < other.at ? -1 : 1));
}

/** Each move ends the period before it. The last period of a key that does not encrypt now has no known end. */
function periodsOf(moves: readonly Move[], { versions }: RingReport): ReadonlyMap<string, readonly Period[]> {
  const periods = new Map<string, Period[]>();
  const changes = moves.filter(({ versionId }, index) => moves[index - 1]?.versionId !== versionId);
  for (const [index, { at, versionId, isEstimated }] of changes.entries()) {
    const next = changes[index + 1];
    const isCurrent = versions.some((version) => version.versionId === versionId && version.state === 'current');
    // After a rollback, or after a key was added without being used, the last key by its date is not the current one.
    if (next === undefined && !isCurrent && isEstimated) continue;
    const period = { from: at, isEstimated: isEstimated || next?.isEstimated === true };
    periods.set(versionId, [
      ...(periods.get(versionId) ?? []),
      next === undefined ? period : { ...period, to: next.at },
    ]);
  }
  return periods;
}

/** Those that decrypt: also a key in use without a number. */
export function keysOnRing(keys: readonly KeyFacts[]): readonly KeyFacts[] {
  return keys.filter(({ number, state, isNoKey }) => {
    if (isNoKey === true || state === 'retired' || state === 'deleted') return false;
    return number !== undefined || state === 'current' || state === 'previous';
  });
}

export function numbersOf(keys: readonly KeyFacts[]): readonly number[] {
  return keys.flatMap(({ number, otherNumbers = [] }) => (number === undefined ? [] : [number, ...otherNumbers]));
}

/** Below the highest one, without a version or a record, as `2` or `2 to 4`. */
export function missingNumbers(keys: readonly KeyFacts[], retired: ReadonlySet<number>): readonly string[] {
  const numbers = [...new Set([...numbersOf(keys), ...retired])].sort((one, other) => one - other);
  return numbers.flatMap((number, index) => {
    const first = (numbers[index - 1] ?? 0) + 1;
    if (first >= number) return [];
    return [first === number - 1 ? String(first) : `${first} to ${number - 1}`];
  });
}
