import { isKeyRotationError, KeyRotationError } from '../format/error.ts';
import { contextOf, contextTemplate, type ContextTemplate } from '../format/context-template.ts';
import type { RingKeys } from './all-keys.ts';
import type { ColumnSpec } from './catalog/column.ts';
import { requireOwnCode } from './catalog/foreign-code.ts';
import { tableNamed } from './catalog/look-up-table.ts';
import type { Column } from './catalog/column.ts';
import { TableGone, type LookBeside } from './census.ts';
import { isDenied, isOfValues } from './connection/database-error.ts';
import { Connection, type DatabaseAddress } from './connection/database.ts';
import type { FoundColumn } from './sample/found-column.ts';
import { candidatesOf, type Candidate } from './sample/candidates.ts';
import { besidesOf, foundIn } from './sample/judge-values.ts';
import { LARGE_OBJECTS_ID, lookAtLargeObjects } from './sample/large-objects.ts';
import { COLUMN_NUMBER, samplesOf, type SampledValue, type SampleSessions } from './sample/read-sample.ts';
import { besides } from './stored-value.ts';
import { joinSnapshot, READING } from './shared-snapshot.ts';

export interface FoundColumns {
  readonly columns: readonly FoundColumn[];
  readonly skipped: readonly SkippedTable[];
}

export interface SkippedTable {
  readonly table: string;
  readonly reason: string;
  /** Whether it could be looked at before the count, or was not there. */
  readonly isClosed?: boolean;
}

/** How often tables are listed and looked at that were made, or got other partitions, since the time before. */
const MOST_ROUNDS = 5;

/** Snapshots that are taken until one has no table that is dropped before it is looked at. */
const MOST_SNAPSHOTS = 10;

/**
 * Looks through every table of the database for columns that hold ciphertexts of the ring. A sample can miss some: it
 * proves nothing for a retirement, and names what a list of columns may lack. A value counts if a key of the ring opens
 * it, or something inside it, without a context or in one of `contexts` whose columns its table has; or if it begins with
 * a number of the ring and is not text.
 */
export async function findColumns(
  database: DatabaseAddress,
  keys: RingKeys,
  contexts: readonly string[] = [],
  onProgress?: SearchProgress,
): Promise<FoundColumns> {
  return new ColumnSearch(database, keys, contexts, { onProgress }).look();
}

/** Is called before each column with its table, and how many columns were looked at of how many. */
export type SearchProgress = (table: string, looked: number, of: number) => void;

/** A column whose member (default: `data`) is counted: the rest of its values is looked at. */
type ListedColumn = Pick<Column, 'tableId' | 'columnNumber'> & { readonly spec: Pick<ColumnSpec, 'member'> };

interface SearchOptions {
  /** Default: those of the count that this is a look beside. */
  readonly listed?: readonly ListedColumn[];
  /** The tables as they were before the count that a retirement waits for. */
  readonly before?: TablesBefore;
  /** For connections that look at the catalog alone. Default: the database's address. */
  readonly watching?: DatabaseAddress;
  readonly onProgress?: SearchProgress | undefined;
}

export class ColumnSearch implements LookBeside {
  readonly #database: DatabaseAddress;
  readonly #keys: RingKeys;
  readonly #templates: readonly ContextTemplate[];
  readonly #options: SearchOptions;
  readonly #columns: FoundColumn[] = [];
  readonly #skipped = new Map<string, SkippedTable>();
  /** What open transactions have written is not seen. What is committed in their tables is. */
  readonly #uncommitted = new Map<string, SkippedTable>();
  /** Looked at, and not in every context, or not every value of the sample. */
  readonly #inPart = new Map<string, SkippedTable>();
  readonly #unspellable: Candidate[] = [];
  readonly #seen = new Set<string>();
  #snapshots = 0;
  /** Tables and partitions of the snapshot. */
  #before: ReadonlySet<string> = new Set();
  #listed: readonly ListedColumn[];
  #hasObjects = false;

  constructor(database: DatabaseAddress, keys: RingKeys, contexts: readonly string[], options: SearchOptions = {}) {
    this.#database = database;
    this.#keys = keys;
    this.#templates = [...new Set(contexts)].map(contextTemplate);
    this.#options = options;
    this.#listed = options.listed ?? [];
  }

  readonly tables = (): Promise<readonly string[]> =>
    this.#onWatch(async (watch) => [...(await candidatesOf(watch)).map(({ tableId }) => tableId), LARGE_OBJECTS_ID]);

  /** A table that can no longer be read as it was in the snapshot is skipped. */
  readonly lookIn: LookBeside['lookIn'] = (snapshot, writers, columns) =>
    Connection.during(this.#database, async (reader) => {
      this.#listed = columns;
      this.#snapshots += 1;
      this.#columns.length = 0;
      this.#unspellable.length = 0;
      for (const former of [this.#skipped, this.#uncommitted, this.#inPart, this.#seen]) former.clear();
      const inSnapshot = <T>(work: () => Promise<T>) =>
        reader.transaction(
          async () => {
            await joinSnapshot(reader, snapshot);
            return work();
          },
          { mode: READING.mode },
        );
      // The youngest first: they are dropped most often.
      const candidates = (await inSnapshot(() => candidatesOf(reader))).toSorted((one, other) => age(other) - age(one));
      this.#before = new Set(candidates.flatMap(({ tree }) => idsOf(tree)));
      for (const [tableId, { table, reason }] of writers) this.#uncommitted.set(tableId, { table, reason });
      await this.#onWatch(async (watch) => {
        for (const [columns, at] of byTable(candidates)) {
          this.#options.onProgress?.(columns[0].table, at, candidates.length);
          const isGone = await this.#lookAtTable({ reader, watch, snapshot }, columns);
          if (isGone && this.#snapshots < MOST_SNAPSHOTS) throw new TableGone();
          // Its rows may have moved to a table that was looked at, or is counted.
          if (isGone) this.#skip(columns[0], 'it was dropped before it was looked at');
        }
      });
      await inSnapshot(() => this.#lookAtObjects(reader));
    });

  /** Looks at the tables that were not seen so far. */
  async look(): Promise<FoundColumns> {
    await this.#onWatch(async (watch) => {
      // A table may move out of one that is still to be looked at, a partition say, or be made meanwhile.
      for (let round = 1; ; round += 1) {
        const fresh = (await candidatesOf(watch)).filter((one) => !this.#seen.has(identity(one)));
        if (fresh.length === 0 || (round > MOST_ROUNDS && fresh.every((one) => this.#isNew(one)))) break;
        await Connection.during(this.#database, async (reader) => {
          for (const [columns, at] of byTable(fresh)) {
            this.#options.onProgress?.(columns[0].table, at, fresh.length);
            if (round > MOST_ROUNDS) this.#skip(columns[0], 'it was altered repeatedly during the search for columns');
            // What moved out of a table that is gone was in a table of the snapshot.
            await this.#lookAtTable({ reader, watch }, columns);
          }
        });
      }
      // They are in the catalog, and no code of a role runs as they are read.
      if (!this.#hasObjects) await this.#lookAtObjects(watch);
    });
    // A transaction that is open says more than what it has prevented.
    const skipped = new Map([...this.#inPart, ...this.#uncommitted, ...this.#skipped]);
    for (const [tableId, open] of this.#uncommitted) skipped.set(tableId, { ...skipped.get(tableId), ...open });
    return { columns: this.#columns, skipped: [...skipped.values()] };
  }

  #onWatch<T>(work: (watch: Connection) => Promise<T>): Promise<T> {
    return Connection.during(this.#options.watching ?? this.#database, work);
  }

  /** Returns whether the table, or a partition of it, has been dropped: then it is not looked at. */
  async #lookAtTable(sessions: SampleSessions, columns: readonly Candidate[]): Promise<boolean> {
    for (const column of columns) {
      this.#seen.add(identity(column));
      if (column.reason !== undefined) this.#skip(column, column.reason);
    }
    let together = columns.length;
    for (let at = 0; ;) {
      const [first, ...others] = columns.slice(at, at + together);
      if (first === undefined || this.#skipped.has(first.tableId)) return false;
      try {
        at += await this.#lookAt(sessions, [first, ...others]);
      } catch (error) {
        const why = ofTableAlone(error, first.table);
        if (await isGone(sessions.watch, first)) return true;
        // One of them has a value that cannot be read: the others are looked at alone.
        if (isOfValues(error) && others.length > 0) together = 1;
        else {
          this.#skip(first, why);
          if (isOfValues(error)) this.#unspellable.push(first);
        }
      }
    }
  }

  /** Returns how many of the columns were looked at. */
  async #lookAt(sessions: SampleSessions, columns: readonly [Candidate, ...Candidate[]]): Promise<number> {
    const samples = await samplesOf(sessions, columns, this.#templates);
    for (const [at, values] of samples.entries()) {
      const candidate = columns[at] ?? columns[0];
      const members = this.#listed.filter((one) => isOf(one, candidate)).map(({ spec }) => spec.member);
      const found = await (members.length === 0
        ? foundIn(candidate, values, this.#keys)
        : foundIn(besidesOf(candidate), besideValues(candidate, values, members), this.#keys));
      this.#columns.push(...found.columns);
      const { tableId, table } = candidate;
      if (found.cutShort !== undefined) this.#inPart.set(tableId, { table, reason: found.cutShort });
      if (values.some(({ lacksContext }) => lacksContext === true)) {
        this.#inPart.set(tableId, { table, reason: LONG_CONTEXT });
      }
    }
    return samples.length;
  }

  /** Its rows come from tables of the snapshot, or from transactions that are named. */
  #isNew({ tree }: Candidate): boolean {
    return this.#snapshots > 0 && !idsOf(tree).some((id) => this.#before.has(id));
  }

  /** Columns that were skipped because of a value in them, and not because of what their owner did. */
  get unspellable(): readonly Pick<Candidate, 'tableId' | 'tree'>[] {
    return this.#unspellable;
  }

  #skip(candidate: Candidate, reason: string, isClosed = this.#options.before?.isClosed(candidate) ?? false): void {
    const { tableId, table } = candidate;
    if (this.#skipped.get(tableId)?.isClosed === true) return;
    this.#skipped.set(tableId, { table, reason, ...(isClosed ? { isClosed } : {}) });
  }

  async #lookAtObjects(session: Connection): Promise<void> {
    this.#hasObjects = true;
    const everywhere = this.#templates.flatMap((one) => contextOf(one, []) ?? []);
    try {
      this.#columns.push(...(await lookAtLargeObjects(session, everywhere, this.#keys)));
    } catch (error) {
      const reason = isDenied(error) ? 'this user may not read every large object' : ofTableAlone(error, LARGE_OBJECTS);
      this.#skipped.set(LARGE_OBJECTS_ID, { table: LARGE_OBJECTS, reason });
    }
  }
}

const LONG_CONTEXT = 'a column that a context names has values in it that are too long';

/** Why one table cannot be looked at: a function of another role would run, it is locked, gone or damaged. */
function ofTableAlone(error: unknown, table: string): string {
  // The words of another error may quote a value.
  if (!isKeyRotationError(error)) return 'one of its values cannot be looked through';
  if (error.code !== 'CANNOT_REACH_DATABASE') return error.message;
  throw new KeyRotationError(error.code, `${error.message} This was while ${table} was looked at.`);
}

/** What the values have beside the members that are listed. */
function besideValues(
  { storage }: Candidate,
  values: readonly SampledValue[],
  members: readonly (string | undefined)[],
): readonly SampledValue[] {
  if (storage === 'other') return [];
  return values.flatMap(({ text, contexts }) => {
    const rest = besides(text, storage, members);
    return rest === '' ? [] : [{ text: rest, contexts }];
  });
}

function isOf({ tableId, columnNumber }: ListedColumn, candidate: Candidate): boolean {
  return tableId === candidate.tableId && columnNumber === candidate.columnNumber;
}

const LARGE_OBJECTS = 'pg_largeobject';

const LOCKED = `
  SELECT l.relation FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
   WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock'`;

/** Which tables could be looked at at one time. An operator who accepts that others are skipped saw those of that time. */
export class TablesBefore {
  readonly #open = new Set<string>();
  readonly #closed = new Set<string>();

  static in(database: DatabaseAddress): Promise<TablesBefore> {
    return Connection.during(database, async (session) => {
      const tables = new TablesBefore();
      const locked = new Set((await session.rows(LOCKED)).map(([id]) => id));
      for (const { tableId, table, column, tree, reason } of await candidatesOf(session)) {
        if (tables.#open.has(tableId) || tables.#closed.has(tableId)) continue;
        const isLocked = idsOf(tree).some((id) => locked.has(id));
        if (reason === undefined && !isLocked && (await hasOwnCode(session, tableId, { table, column }))) {
          for (const id of idsOf(tree)) tables.#open.add(id);
        } else tables.#closed.add(tableId);
      }
      return tables;
    });
  }

  /** Adds what a search before the count could not look at. */
  close(skipped: readonly Pick<Candidate, 'tableId' | 'tree'>[]): void {
    for (const { tableId, tree } of skipped) {
      this.#closed.add(tableId);
      for (const id of idsOf(tree)) this.#open.delete(id);
    }
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

function identity({ tableId, column, columnNumber, tree }: Candidate): string {
  return JSON.stringify([tableId, column, columnNumber, tree]);
}

/** Those of each table together, and how many there are before them. */
function* byTable(
  candidates: readonly Candidate[],
): Generator<readonly [readonly [Candidate, ...Candidate[]], number]> {
  const tables = new Map<string, [Candidate, ...Candidate[]]>();
  for (const candidate of candidates) {
    const known = tables.get(candidate.tableId);
    if (known === undefined) tables.set(candidate.tableId, [candidate]);
    else known.push(candidate);
  }
  let before = 0;
  for (const columns of tables.values()) {
    yield [columns, before];
    before += columns.length;
  }
}

function age({ tableId }: Candidate): number {
  return Number(tableId);
}

const GONE = `SELECT FROM unnest($1::oid[]) id WHERE NOT EXISTS (SELECT FROM pg_class WHERE oid = id) LIMIT 1`;

async function isGone(watch: Connection, { tree }: Candidate): Promise<boolean> {
  return (await watch.rows(GONE, [`{${idsOf(tree).join(',')}}`])).length > 0;
}

/** An unknown table or column lists nothing. */
export async function findUnlisted(
  database: DatabaseAddress,
  keys: RingKeys,
  specs: readonly ColumnSpec[],
): Promise<FoundColumns> {
  const listed: ListedColumn[] = [];
  await Connection.during(database, async (session) => {
    for (const spec of specs) {
      const tableId = await tableNamed(session, spec.table);
      const [found] = tableId === undefined ? [] : await session.rows(COLUMN_NUMBER, [tableId, spec.column]);
      if (tableId !== undefined && found !== undefined) listed.push({ tableId, columnNumber: Number(found[0]), spec });
    }
  });
  return new ColumnSearch(database, keys, contextsOf(specs), { listed }).look();
}

export function contextsOf(specs: readonly ColumnSpec[]): readonly string[] {
  return specs.flatMap(({ context = [], toContext = [] }) => [context, toContext].flat());
}
