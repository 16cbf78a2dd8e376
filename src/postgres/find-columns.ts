import { isKeyRotationError } from '../format/error.ts';
import { contextOf, contextTemplate } from '../format/context-template.ts';
import type { RingKeys } from './all-keys.ts';
import type { ColumnSpec } from './catalog/column.ts';
import { requireOwnCode } from './catalog/foreign-code.ts';
import { tableNamed } from './catalog/look-up-table.ts';
import { waitForWriters } from './catalog/older-writers.ts';
import { DatabaseFailure } from './connection/database-error.ts';
import { Connection, type DatabaseAddress } from './connection/database.ts';
import type { FoundColumn } from './sample/found-column.ts';
import { candidatesOf, type Candidate } from './sample/candidates.ts';
import { foundIn } from './sample/judge-values.ts';
import { lookAtLargeObjects } from './sample/large-objects.ts';
import { sampleOf } from './sample/read-sample.ts';

/** What was found in a database, and which tables could not be looked at. */
export interface FoundColumns {
  readonly columns: readonly FoundColumn[];
  readonly skipped: readonly SkippedTable[];
}

/** A table that could not be looked at. */
export interface SkippedTable {
  readonly table: string;
  readonly reason: string;
  /** Whether it could be looked at before the count, or was not there. */
  readonly isClosed?: boolean;
}

/** How often tables are listed and looked at that were made, or got other partitions, since the time before. */
const MOST_ROUNDS = 5;

/**
 * Looks through every table of the database for columns that hold ciphertexts of the ring. A sample can miss some: it
 * proves nothing for a retirement, and names what a list of columns may lack. A value counts if a key of the ring opens
 * it, or something inside it, without a context or in one of `contexts` whose columns its table has; or if it begins with
 * a number of the ring and is no text.
 */
export async function findColumns(
  database: DatabaseAddress,
  keys: RingKeys,
  contexts: readonly string[] = [],
  retirement?: BeforeRetirement,
): Promise<FoundColumns> {
  const templates = [...new Set(contexts)].map(contextTemplate);
  const session = await Connection.open(database);
  try {
    const columns: FoundColumn[] = [];
    const skipped = new Map<string, SkippedTable>();
    const seen = new Set<string>();
    const writers = retirement === undefined ? undefined : await openWriters(session, retirement);
    // A table may move out of one that is still to be looked at, a partition say, or be made meanwhile.
    for (let round = 1; ; round += 1) {
      const fresh = (await candidatesOf(session)).filter((one) => !seen.has(identity(one)));
      if (fresh.length === 0) break;
      for (const candidate of fresh) {
        const { tableId, table, reason } = candidate;
        const skip = (why: string, isClosed = retirement?.before.isClosed(candidate) ?? false) => {
          if (skipped.get(tableId)?.isClosed === true) return;
          skipped.set(tableId, { table, reason: why, ...(isClosed ? { isClosed } : {}) });
        };
        seen.add(identity(candidate));
        if (round > MOST_ROUNDS) skip('it was altered again and again while columns were looked for');
        else if (reason !== undefined) skip(reason);
        const open = writers?.get(tableId);
        if (open !== undefined) skip(`transactions that have written to it are still open: ${open}`, false);
        if (skipped.has(tableId)) continue;
        try {
          columns.push(...foundIn(candidate, await sampleOf(session, candidate, templates), keys));
        } catch (error) {
          // Of one table alone: a function of another role would run, it is locked, or it is gone.
          if (!isKeyRotationError(error) || error.code === 'CANNOT_REACH_DATABASE') throw error;
          const isLocked = error instanceof DatabaseFailure && error.state === LOCKED;
          skip(error.message, isLocked ? false : undefined);
        }
      }
    }
    const everywhere = templates.flatMap((one) => contextOf(one, []) ?? []);
    const inObjects = await lookAtLargeObjects(session, everywhere, keys);
    if (inObjects === undefined) skipped.set('', LARGE_OBJECTS);
    return { columns: [...columns, ...(inObjects ?? [])], skipped: [...skipped.values()] };
  } finally {
    await session.close();
  }
}

const LARGE_OBJECTS: SkippedTable = { table: 'pg_largeobject', reason: 'this user may not read every large object' };

/** The SQLSTATE of a lock that did not come in time. */
const LOCKED = '55P03';

/** What a look has to know that a retirement waits for. */
export interface BeforeRetirement {
  /** Milliseconds for which transactions are waited for that have written to tables which were not counted. */
  readonly timeout: number | undefined;
  /** The tables that were counted, by their numbers. */
  readonly counted: readonly string[];
  /** The tables as they were before the count. */
  readonly before: TablesBefore;
}

/** Which tables could be looked at at one time. An operator who accepts that others are skipped saw those of that time. */
export class TablesBefore {
  /** Tables and their partitions, by their numbers. */
  readonly #open = new Set<string>();
  readonly #closed = new Set<string>();

  static async in(database: DatabaseAddress): Promise<TablesBefore> {
    const tables = new TablesBefore();
    const session = await Connection.open(database);
    try {
      for (const { tableId, table, column, tree, reason } of await candidatesOf(session)) {
        if (tables.#open.has(tableId) || tables.#closed.has(tableId)) continue;
        if (reason === undefined && (await hasOwnCode(session, tableId, { table, column }))) {
          for (const id of idsOf(tree)) tables.#open.add(id);
        } else tables.#closed.add(tableId);
      }
    } finally {
      await session.close();
    }
    return tables;
  }

  /** Whether a table that cannot be looked at could be, or has become one with a table that could be, or was not there. */
  isClosed({ tableId, tree }: Candidate): boolean {
    return !this.#closed.has(tableId) || idsOf(tree).some((id) => this.#open.has(id));
  }
}

async function hasOwnCode(session: Connection, tableId: string, spec: ColumnSpec): Promise<boolean> {
  try {
    await requireOwnCode(session, tableId, spec);
    return true;
  } catch (error) {
    if (isKeyRotationError(error, 'INVALID_COLUMN')) return false;
    throw error;
  }
}

function idsOf(tree: string): readonly string[] {
  return tree.split(' ');
}

async function openWriters(session: Connection, { timeout, counted }: BeforeRetirement) {
  const ids = new Set((await candidatesOf(session)).map(({ tableId }) => tableId));
  for (const id of counted) ids.delete(id);
  return waitForWriters(session, [...ids], { timeout });
}

function identity({ tableId, column, columnNumber, tree }: Candidate): string {
  return JSON.stringify([tableId, column, columnNumber, tree]);
}

/**
 * What `findColumns` finds besides the columns that `specs` list. A column has one member that holds its ciphertexts, so a
 * listed one lists all of it. A name that means no table of this database lists nothing.
 */
export async function findUnlisted(
  database: DatabaseAddress,
  keys: RingKeys,
  specs: readonly ColumnSpec[],
): Promise<FoundColumns> {
  const listed: string[] = [];
  const session = await Connection.open(database);
  try {
    for (const { table, column } of specs) {
      listed.push(`${(await tableNamed(session, table)) ?? ''}.${column}`);
    }
  } finally {
    await session.close();
  }
  const { columns, skipped } = await findColumns(database, keys, contextsOf(specs));
  return { columns: columns.filter(({ tableId, column }) => !listed.includes(`${tableId}.${column}`)), skipped };
}

/** The contexts that columns are in, or are moved to. */
export function contextsOf(specs: readonly ColumnSpec[]): readonly string[] {
  return specs.flatMap(({ context = [], toContext = [] }) => [context, toContext].flat());
}
