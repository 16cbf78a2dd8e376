import type { Tag } from '@aws-sdk/client-secrets-manager';
import { retirementRecords, type RetirementRecord } from '../../format/retired-tag.ts';
import { backupRecord } from '../backup/backup-tag.ts';
import { unfinishedRetirements, type RingReport } from '../status/ring-report.ts';
import { versionRecordOf } from '../ring/version-tags.ts';
import { keyList } from '../terminal/table.ts';
import type { HistoryEntry } from './evidence.ts';
import { tagDate } from './tag-date.ts';

/** The detail of a retirement by `retire --force`. */
export const WITHOUT_CENSUS = 'without a census (--force)';

/** The detail of one with `--unread-is-fine`. */
export const UNREAD_KEY = 'without reading the key (--unread-is-fine)';

export function retirementDetail({ isForced, isUnread }: RetirementRecord): Pick<HistoryEntry, 'detail'> {
  return isForced ? { detail: WITHOUT_CENSUS } : isUnread === true ? { detail: UNREAD_KEY } : {};
}

/** By the kind of its record. */
export const RECORDED = { rescued: 'key-rescued', abandoned: 'rotation-abandoned' } as const;

/** The dates of its versions, and the tags that the commands leave. */
export function historyOfSecret(report: RingReport, tags: readonly Tag[] | undefined): readonly HistoryEntry[] {
  const backup = backupRecord(tags);
  const begun = begunRetirements(report);
  const dated = (tags ?? []).flatMap(({ Key = '', Value = '' }): readonly HistoryEntry[] => {
    const record = versionRecordOf(Key);
    const at = tagDate(Value);
    if (at === undefined || record === undefined) return [];
    return [{ at, event: RECORDED[record.kind], source: 'tags', versionId: record.versionId }];
  });
  return inOrder([
    ...madeKeys(report),
    ...retirementRecords(tags).flatMap((record): readonly HistoryEntry[] => {
      const { number, versionId, date } = record;
      const at = tagDate(date);
      if (at === undefined || begun.has(number)) return [];
      return [{ at, event: 'key-retired', source: 'tags', number, versionId, ...retirementDetail(record) }];
    }),
    ...dated,
    ...(backup === undefined
      ? []
      : [{ at: backup.date, event: 'backup-made', source: 'tags', detail: keyList(backup.numbers) } as const]),
  ]);
}

/** They have taken no label yet. A restore that was interrupted shows that the retirement before it had ended. */
function begunRetirements(report: RingReport): ReadonlySet<number> {
  const restoring = report.retired.filter(({ isRestoring }) => isRestoring === true).map(({ number }) => number);
  return new Set([...unfinishedRetirements(report)].filter((number) => !restoring.includes(number)));
}

/** `move` stores a key again, and its tag keeps the day on which the key was made. */
function madeKeys({ versions }: RingReport): readonly HistoryEntry[] {
  const days = new Set(versions.flatMap(({ made }) => made ?? []));
  const created = new Set(
    versions.flatMap(({ made, created: at = '' }) => (made === undefined ? [at.slice(0, 10)] : [])),
  );
  return versions.flatMap((version): readonly HistoryEntry[] => {
    const { created: at, made, versionId, number = version.retiredNumber, state } = version;
    if (at === undefined || state === 'placeholder' || state === 'abandoned') return [];
    // A copy between the first version of its key and the last.
    if (state === 'copy' && days.size > 0 && !days.has(at.slice(0, 10))) return [];
    const about = { source: 'versions', ...(number === undefined ? {} : { number }) } as const;
    if (made === undefined) return [{ at, event: 'key-made', versionId, ...about }];
    const isFirstGone = !created.has(made);
    return [
      ...(isFirstGone ? [{ at: `${made}T00:00:00.000Z`, event: 'key-made', ...about } as const] : []),
      { at, event: 'key-copied', versionId, ...about },
    ];
  });
}

/** Milliseconds between two reports of one event. */
const SAME = 10 * 60_000;

/** CloudTrail's record replaces the others', because it names the caller. It takes over what only they say. */
export function merged(
  own: readonly HistoryEntry[],
  others: readonly HistoryEntry[],
  report: RingReport,
): readonly HistoryEntry[] {
  const { versions, retired } = report;
  const numbers = begunRetirements(report);
  const begun = retired
    .filter(({ number }) => numbers.has(number))
    .map(({ number, date }): HistoryEntry => ({ at: date, event: 'key-retired', source: 'tags', number }));
  const numberOf = new Map(retired.map(({ versionId, number }) => [versionId, number]));
  for (const { versionId, number } of versions) if (number !== undefined) numberOf.set(versionId, number);
  const all = inOrder([...own, ...others], numberOf).filter((entry) => !begun.some((record) => isSame(entry, record)));
  const trailed = all.filter(({ source }) => source === 'cloudtrail');
  const untrailed = all.filter(({ source }) => source !== 'cloudtrail');
  return all.flatMap((entry): readonly HistoryEntry[] => {
    if (entry.source !== 'cloudtrail') return trailed.some((other) => isSame(entry, other)) ? [] : [entry];
    const detail = entry.detail ?? untrailed.find((other) => isSame(entry, other))?.detail;
    return [detail === undefined ? entry : { ...entry, detail }];
  });
}

function isSame(one: HistoryEntry, other: HistoryEntry): boolean {
  const isNear = Math.abs(Date.parse(one.at) - Date.parse(other.at)) <= SAME;
  const isOfKey =
    one.number === other.number && (one.versionId ?? other.versionId) === (other.versionId ?? one.versionId);
  return one.event === other.event && isNear && isOfKey;
}

/** By date; what happened at the same moment stays in its order. Entries get the number of their version. */
export function inOrder(
  entries: readonly HistoryEntry[],
  numberOf: ReadonlyMap<string, number> = new Map(),
): readonly HistoryEntry[] {
  return entries
    .map((entry) => {
      const number = entry.number ?? numberOf.get(entry.versionId ?? '');
      return number === undefined ? entry : { ...entry, number };
    })
    .sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0));
}
