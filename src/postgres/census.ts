import type { NamedColumn } from './catalog/column-name.ts';
import { KeyRotationError } from '../format/error.ts';
import type { RingKeys } from './all-keys.ts';
import { namedColumn, type Column, type ColumnSpec, type TriggerOnUpdate } from './catalog/column.ts';
import { Connection, type DatabaseAddress } from './connection/database.ts';
import { waitForFlush, waitsForDisk } from './connection/flushed-log.ts';
import { EVERY_ROW, namingDamage } from './damaged-rows.ts';
import { HEAP_ONLY } from './heap-scan.ts';
import { requireChildren } from './catalog/child-tables.ts';
import { requireOwnCode } from './catalog/foreign-code.ts';
import { withColumns } from './catalog/look-up-column.ts';
import { replaced, requireOnlyTables, requireSameTables } from './catalog/table-locks.ts';
import { ALL_TABLES, END_THEM, waitForWriters, WRITERS_TIMEOUT, type OpenWriters } from './catalog/older-writers.ts';
import { isLockTimeout } from './connection/database-error.ts';
import type { LeftRow } from './job/plan-rows.ts';
import type { FoundColumn } from './sample/found-column.ts';
import { exportSnapshot, READING, whileWaiting, withReaders, type SharedSnapshot } from './shared-snapshot.ts';
import { Tally } from './tally.ts';
import { tallyTable } from './tally-table.ts';

export interface ColumnCensus extends NamedColumn {
  /** As the operator named it. */
  readonly table: string;
  readonly tableId: string;
  readonly columnNumber: number;
  /** Rows in the snapshot: the sum of all classes, `nulls`, `empty`, `unreadable` and the rows by key. */
  readonly rows: number;
  readonly nulls: number;
  /** Values without a byte, which no one encrypted. */
  readonly empty: number;
  /** Rows by the number in their header, which that number's key opened. */
  readonly numbered: Readonly<Record<number, number>>;
  /** Rows under number 0, by the number of the key that opened them (0: that key has no number). */
  readonly unnumbered: Readonly<Record<number, number>>;
  readonly legacy: Readonly<Record<number, number>>;
  /** Of all these, rows with a ciphertext in their plaintext or beside it, by the number of the key that opens it. */
  readonly nested: Readonly<Record<number, number>>;
  readonly unreadable: number;
  /** Of the others, rows in which ciphertexts could not be looked for: what is inside their values is unknown. */
  readonly unsearched: number;
  /** The first of both, by key, 10,000 at most. */
  readonly listed: readonly LeftRow[];
  /** Rows that `reencrypt` would change; `undefined` where there is no current key with a number to bring them to. */
  readonly toReencrypt: number | undefined;
  /** Why some rows may not have been seen; empty where all were. */
  readonly unseen: readonly string[];
  readonly triggers: readonly TriggerOnUpdate[];
  /** Columns of the context whose text depends on settings of a session, each with its type. */
  readonly spelled: readonly string[];
  /** What of its values looks encrypted, and is in no member that was counted. */
  readonly besides: readonly FoundColumn[];
}

export interface CensusOptions {
  /** Connections that read at once, in one snapshot. Default: 1. */
  readonly connections?: number;
  /** The built program of `tally-thread-program.ts`, for several connections. Default: this thread opens all rows. */
  readonly thread?: string | undefined;
  /** Bytes of a table that one statement reads. Default: 32 MiB. */
  readonly rangeBytes?: number | undefined;
  /** Called now and then with the rows read of this column so far; its `estimatedRows` are exact here. */
  readonly onBatch?: (column: Column, rows: number) => void;
  /** Milliseconds for which transactions are waited for that have written to a table and are open. Default: 60,000. */
  readonly writersTimeout?: number | undefined;
  readonly onWait?: (table: string, writers: string) => void;
  readonly beside?: LookBeside | undefined;
  /** For connections that look at the catalog alone. Default: the database's address. */
  readonly watching?: DatabaseAddress | undefined;
  readonly signal?: AbortSignal;
}

/** A table of the snapshot was dropped before it was looked at. Where its rows went is seen in a later snapshot. */
export class TableGone extends Error {}

/** A look at other tables in the snapshot of a count: a row that moves between both is seen by one of them. */
export interface LookBeside {
  /** The numbers of its tables, whose writers are waited for before the snapshot is taken. */
  readonly tables: () => Promise<readonly string[]>;
  /** Rejects with `TableGone` where a later snapshot has to be taken. `writers`: by a table's number, transactions that had written to it and were still open. `columns`: are counted. */
  readonly lookIn: (
    snapshot: SharedSnapshot,
    writers: ReadonlyMap<string, OpenWriters>,
    columns: readonly Column[],
  ) => Promise<void>;
}

/** The owner may replace the table, rows and all, between the look at the catalog and the count. */
const NOT_LOCKED =
  'this user has a right to single columns only, so that the table cannot be locked meanwhile: GRANT SELECT on it';

const BATCH_ROWS = 2000;

/**
 * Counts the rows of columns by the key that each was opened with, in one snapshot of the database, and writes nothing.
 * It reads the tables themselves, so that no index, and no function or operator of another role, decides what it sees.
 * Rejects with `INVALID_COLUMN`, `CANNOT_REACH_DATABASE`, `DATABASE_REFUSED`, or the signal's reason.
 */
export function census(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  options: CensusOptions = {},
): Promise<readonly ColumnCensus[]> {
  const { writersTimeout: timeout = WRITERS_TIMEOUT, watching = database } = options;
  let writers: ReadonlyMap<string, OpenWriters> = new Map();
  const beforeLock = async (session: Connection, tableIds: readonly string[]) => {
    const { beside, onWait, signal } = options;
    const ids = [...new Set([...tableIds, ...((await beside?.tables()) ?? [])])];
    writers = await waitForWriters(session, { ids, hidden: beside !== undefined }, { timeout, onWait, signal });
  };
  const count = async (session: Connection, columns: readonly Column[]) => {
    await requireChildren(session, columns);
    // Before the count, which takes longer: few of the other tables are altered between the snapshot and the look.
    const { beside } = options;
    if (beside !== undefined) {
      const snapshot = await exportSnapshot(session);
      const elsewhere = new Map(writers);
      for (const tableId of [ALL_TABLES, ...columns.map((column) => column.tableId)]) elsewhere.delete(tableId);
      await whileWaiting([session], () => beside.lookIn(snapshot, elsewhere, columns));
    }
    return withReaders(database, session, columns, options.connections ?? 1, (readers) =>
      Connection.during(watching, async (watch) => {
        const counts: ColumnCensus[] = [];
        for (const column of columns) {
          const counted = await countColumn(readers, watch, column, keys, options);
          const open = [writers.get(column.tableId), writers.get(ALL_TABLES)].flatMap((one) => one ?? []);
          counts.push({ ...counted, unseen: [...counted.unseen, ...open.map(uncommitted)] });
          await requireOnlyTables(watch, readers, columns);
          await requireSameTables(watch, [column]);
        }
        if (columns.length > 1) await requireSameTables(watch, columns);
        return counts;
      }),
    );
  };
  const settings = [...READING.settings, `SET LOCAL lock_timeout = ${Math.max(timeout, SHORTEST_LOCK_TIMEOUT)}`];
  const inSnapshot = (): Promise<readonly ColumnCensus[]> =>
    withColumns(database, specs, count, { ...READING, settings, beforeLock }).catch((error: unknown) => {
      if (error instanceof TableGone) return inSnapshot();
      throw isLockTimeout(error) ? keptLocked(writers) : error;
    });
  return inSnapshot();
}

/** Milliseconds; 0 would be without a limit. */
const SHORTEST_LOCK_TIMEOUT = 1000;

function keptLocked(writers: ReadonlyMap<string, OpenWriters>): KeyRotationError {
  const known = [...writers.values()].map(({ table, writers: open }) => ` ${table}: ${open}.`).join('');
  return new KeyRotationError(
    'DATABASE_REFUSED',
    `Another transaction keeps a table locked that is to be counted.${known} Locks are in pg_locks; ${END_THEM}, and run this again.`,
  );
}

function uncommitted({ reason }: OpenWriters): string {
  return `${reason}, and run this again`;
}

const COLUMN_NUMBER = `
  SELECT attnum FROM pg_catalog.pg_attribute
   WHERE attrelid OPERATOR(pg_catalog.=) $1::pg_catalog.oid AND attname OPERATOR(pg_catalog.=) $2::pg_catalog.name
     AND NOT attisdropped`;

/**
 * Makes sure that a crash of the server undoes nothing that was counted; `isDurable`: false where its `fsync` is off. Rejects
 * with `DATABASE_REFUSED` where the names no longer mean the tables and columns that were counted.
 */
export function requireLasting(
  database: DatabaseAddress,
  counts: readonly ColumnCensus[],
): Promise<{ readonly isDurable: boolean }> {
  return Connection.during(database, async (session) => {
    for (const { table, tableId, column, columnNumber } of counts) {
      if ((await session.tableNamed(table)) !== tableId) throw replaced(table);
      const [found] = await session.rows(COLUMN_NUMBER, [tableId, column]);
      if (found?.[0] !== String(columnNumber)) throw replaced(`${table}.${column}`);
    }
    await waitForFlush(session);
    return { isDurable: await waitsForDisk(session) };
  });
}

/** Looks again, outside of the snapshot, for code of other roles. `watch` does one look after the other. */
function codeWatch(watch: Connection, { tableId, spec }: Column): () => Promise<void> {
  let looks = Promise.resolve();
  return () => {
    looks = looks.then(async () => {
      await requireOwnCode(watch, tableId, spec);
    });
    return looks;
  };
}

async function countColumn(
  readers: readonly Connection[],
  watch: Connection,
  column: Column,
  keys: RingKeys,
  { onBatch, signal, rangeBytes, thread }: CensusOptions,
): Promise<ColumnCensus> {
  // A policy that begins to hide rows from here on is an error; one that hid rows before is in `unseen`.
  const security = `SET LOCAL row_security = ${column.unseen.length === 0 ? 'off' : 'on'}`;
  for (const reader of readers) await reader.change([...HEAP_ONLY, security].join('; '));
  const [first, ...others] = readers;
  const count = `SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE t.${column.column} IS NULL) FROM ${column.ownRows} t`;
  const countRows = async () =>
    first === undefined ? [] : namingDamage(first, column, EVERY_ROW, () => first.rows(count));
  const [counted] = await whileWaiting(others, countRows);
  const tally = new Tally(column, keys);
  const known = { ...column, estimatedRows: Number(counted?.[0]) };
  let reported = 0;
  const onRows = (rows: number) => {
    if (rows - reported < BATCH_ROWS) return;
    reported = rows;
    signal?.throwIfAborted();
    onBatch?.(known, rows);
  };
  const beforeRange = codeWatch(watch, column);
  await tallyTable(readers, column, keys, tally, { rangeBytes, beforeRange, onRows, thread });
  await beforeRange();
  const { rows, nulls } = tally.counts;
  onBatch?.(known, rows);
  if (counted?.[0] !== String(rows) || counted[1] !== String(nulls) || tally.sum !== rows) {
    throw new KeyRotationError(
      'DATABASE_REFUSED',
      `${column.table} has ${counted?.[0] ?? 'no'} rows in this snapshot, ${counted?.[1] ?? 'none'} of them NULL; ${rows} were read, ${nulls} of them NULL. Run this again.`,
    );
  }
  return censusOf(column, tally, keys);
}

function censusOf(column: Column, tally: Tally, { target }: RingKeys): ColumnCensus {
  const { spec, tableId, table, columnNumber, isLocked, triggers, spelled } = column;
  const { counts } = tally;
  return {
    ...namedColumn(column),
    table: spec.table,
    tableId,
    columnNumber,
    rows: counts.rows,
    nulls: counts.nulls,
    empty: counts.empty,
    numbered: Object.fromEntries(counts.numbered),
    unnumbered: Object.fromEntries(counts.unnumbered),
    legacy: Object.fromEntries(counts.legacy),
    nested: Object.fromEntries(counts.nested),
    unreadable: counts.unreadable,
    unsearched: counts.unsearched,
    listed: counts.listed,
    toReencrypt: target === undefined ? undefined : counts.toReencrypt,
    unseen: isLocked ? column.unseen : [...column.unseen, NOT_LOCKED],
    triggers,
    spelled,
    besides: tally.besides({
      ...{ table, tableId, column: spec.column, columnNumber, kind: '', isMaterialized: false, isGenerated: false },
    }),
  };
}
