import { KeyRotationError } from '../../format/error.ts';
import { toKeyNumber, type KeyNumber } from '../../format/key-number.ts';
import type { ColumnCensus } from '../../postgres/census.ts';
import type { AwsSession } from '../aws/session.ts';
import type { ProcessIo } from '../process-io.ts';
import type { ColumnFlags } from './column-flags.ts';
import { columnsOf, ringOf } from './column-options.ts';
import { databaseOf } from './database-options.ts';
import { shownCensus } from './progress.ts';
import type { Census } from './row-count.ts';

/** The census of a `retire`, over the columns that its options name. */
export function censusOf(session: AwsSession, flags: ColumnFlags, world: ProcessIo): Census {
  return async () => {
    const specs = await columnsOf(flags);
    const database = databaseOf(flags, session, world);
    const counts = await shownCensus(database, specs, await ringOf(session), world, flags.connections);
    if (flags.emptyIsFine !== true) requireValues(counts);
    const rowsByNumber = new Map<KeyNumber, number>();
    const nestedByNumber = new Map<number, number>();
    for (const { nested } of counts) {
      for (const [number, rows] of Object.entries(nested)) {
        nestedByNumber.set(Number(number), (nestedByNumber.get(Number(number)) ?? 0) + rows);
      }
    }
    for (const { numbered } of counts) {
      for (const [number, rows] of Object.entries(numbered)) {
        const key = toKeyNumber(Number(number));
        rowsByNumber.set(key, (rowsByNumber.get(key) ?? 0) + rows);
      }
    }
    return {
      rowsByNumber,
      nestedByNumber,
      rowsWithNumberZero: sum(counts.flatMap(({ unnumbered }) => Object.values(unnumbered))),
      legacyRows: sum(counts.flatMap(({ legacy }) => Object.values(legacy))),
      unattributableRows: sum(counts.map(({ unreadable }) => unreadable)),
      counted: counts.map(({ relation, owner, column, rows }) => ({ relation, owner, column, rows })),
      isComplete: counts.every(({ unseen }) => unseen.length === 0),
    };
  };
}

/**
 * Throws `NO_CENSUS` if the columns hold no encrypted value at all, because that does not prove that no row needs a
 * key.
 */
function requireValues(counts: readonly ColumnCensus[]): void {
  if (counts.some(({ rows, nulls, empty }) => rows > nulls + empty)) return;
  const names = counts.map(({ relation, column, owner }) => `${relation}.${column} (owner ${owner})`);
  throw new KeyRotationError(
    'NO_CENSUS',
    `No value is in ${names.join(', ')}, which does not prove that no row needs the key: the rows may be in another table ` +
      'or database. Name the columns that hold them, or pass --empty-is-fine if no row does.',
  );
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
