import { attribution, isAsWanted, type LeftRow } from './plan-rows.ts';
import type { Column, ColumnSpec, TriggerOnUpdate } from './column.ts';
import { Connection, type DatabaseAddress } from './database.ts';
import { lookUpColumn } from './look-up-column.ts';
import { readBatch, type BatchLimits, type StoredRow } from './read-rows.ts';
import type { RingKeys, TargetKey } from './all-keys.ts';

/** What a column holds; every row counted was opened. */
export interface ColumnCensus {
  readonly table: string;
  readonly column: string;
  readonly rows: number;
  readonly nulls: number;
  /** Values without a byte: nobody encrypted them. */
  readonly empty: number;
  /** Rows by the number that they stand under, which that number's key opened. */
  readonly numbered: Readonly<Record<number, number>>;
  /** Rows under number 0, by the number of the key that opened them (0: that key has none). */
  readonly unnumbered: Readonly<Record<number, number>>;
  /** Data written before this system, by the number of the key that opened it. */
  readonly legacy: Readonly<Record<number, number>>;
  /** How many rows opened with nothing. */
  readonly unreadable: number;
  /** The first of them, by key, `MOST_LISTED` at most. */
  readonly listed: readonly LeftRow[];
  /** Rows that `reencrypt` would change; `undefined` where there is no current key with a number to bring them to. */
  readonly toReencrypt: number | undefined;
  /** Why some rows may not have been seen; empty where all were. */
  readonly unseen: readonly string[];
  readonly triggers: readonly TriggerOnUpdate[];
}

/** How a census is told of and stopped. */
export interface CensusOptions {
  readonly batchRows?: number;
  readonly batchBytes?: number;
  /** Told after each batch: rows read of this column so far. */
  readonly onBatch?: (column: Column, rows: number) => void;
  readonly signal?: AbortSignal;
}

/** Unreadable rows that a census lists by key; the number of all of them is exact. */
const MOST_LISTED = 10_000;

/**
 * Counts the rows of columns by the key that each was opened with, in one snapshot of the database, and writes nothing.
 * Rejects with `INVALID_COLUMN`, `CANNOT_REACH_DATABASE`, `DATABASE_REFUSED`, or the signal's reason.
 */
export async function census(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  options: CensusOptions = {},
): Promise<readonly ColumnCensus[]> {
  const session = await Connection.open(database);
  try {
    // Rows that a policy hides are told of, instead of an error: what can be seen is counted.
    await session.change('SET row_security = on');
    const count = async () => {
      const columns: Column[] = [];
      for (const spec of specs) columns.push(await lookUpColumn(session, spec));
      const counts: ColumnCensus[] = [];
      for (const column of columns) counts.push(await countColumn(session, column, keys, options));
      return counts;
    };
    // One snapshot: a row that the application moves to another key of its table is neither missed nor counted twice.
    return await session.transaction(count, 'ISOLATION LEVEL REPEATABLE READ READ ONLY');
  } finally {
    await session.close();
  }
}

/**
 * Why keys may not be retired, by what the columns hold; empty where they may, as far as these columns go. Rows under
 * another number do no harm; rows that name no number, or that nothing opened, may need any key.
 */
export function reasonsToKeep(counts: readonly ColumnCensus[], numbers: readonly number[]): readonly string[] {
  return counts.flatMap(({ table, column, numbered, unnumbered, legacy, unreadable, unseen }) => {
    const name = `${table}.${column}`;
    const reasons = unseen.map((why) => `${name}: not every row could be seen: ${why}`);
    for (const number of numbers) {
      const rows = numbered[number] ?? 0;
      if (rows > 0) reasons.push(`${name}: ${rows} rows under key ${number}`);
    }
    const zero = total(unnumbered);
    if (zero > 0) reasons.push(`${name}: ${zero} rows under number 0`);
    const old = total(legacy);
    if (old > 0) reasons.push(`${name}: ${old} rows without a number, written before this system`);
    if (unreadable > 0) reasons.push(`${name}: ${unreadable} rows that no key of the ring opens`);
    return reasons;
  });
}

function total(counts: Readonly<Record<number, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

async function countColumn(session: Connection, column: Column, keys: RingKeys, options: CensusOptions) {
  const limits: BatchLimits = { rows: options.batchRows ?? 2000, bytes: options.batchBytes ?? 4 * 1024 * 1024 };
  const tally = new Tally(column, keys);
  const next = (after: readonly string[] | undefined) => readBatch(session, column, { after, upTo: undefined }, limits);
  let batch = await next(undefined);
  for (let last = batch.at(-1); last !== undefined; last = batch.at(-1)) {
    options.signal?.throwIfAborted();
    // The database reads the next batch while this one is opened.
    const following = next(last.key);
    try {
      for (const row of batch) tally.add(row);
      options.onBatch?.(column, tally.rows);
    } finally {
      batch = await following;
    }
  }
  return tally.result();
}

class Tally {
  rows = 0;
  readonly #column: Column;
  readonly #keys: RingKeys;
  readonly #target: TargetKey | undefined;
  readonly #counts = {
    numbered: new Map<number, number>(),
    unnumbered: new Map<number, number>(),
    legacy: new Map<number, number>(),
  };
  readonly #listed: LeftRow[] = [];
  #nulls = 0;
  #empty = 0;
  #unreadable = 0;
  #toReencrypt = 0;

  constructor(column: Column, keys: RingKeys) {
    this.#column = column;
    this.#keys = keys;
    this.#target = keys.target;
  }

  add(row: StoredRow): void {
    this.rows += 1;
    if (row.stored === null) {
      this.#nulls += 1;
      return;
    }
    const found = attribution(this.#column, row, row.stored, this.#keys);
    if (found.kind === 'empty') this.#empty += 1;
    else if (found.kind === 'unreadable') {
      this.#unreadable += 1;
      if (this.#listed.length < MOST_LISTED) this.#listed.push({ key: row.key, code: found.code });
    } else {
      const counts = this.#counts[found.kind];
      counts.set(found.number, (counts.get(found.number) ?? 0) + 1);
      if (this.#target !== undefined && !isAsWanted(found, this.#target, row.context)) this.#toReencrypt += 1;
    }
  }

  result(): ColumnCensus {
    const { spec, unseen, triggers } = this.#column;
    const { numbered, unnumbered, legacy } = this.#counts;
    return {
      table: spec.table,
      column: spec.column,
      rows: this.rows,
      nulls: this.#nulls,
      empty: this.#empty,
      numbered: Object.fromEntries(numbered),
      unnumbered: Object.fromEntries(unnumbered),
      legacy: Object.fromEntries(legacy),
      unreadable: this.#unreadable,
      listed: this.#listed,
      toReencrypt: this.#target === undefined ? undefined : this.#toReencrypt,
      unseen,
      triggers,
    };
  }
}
