import { isUtf8 } from 'node:buffer';
import { isKeyRotationError } from '../format/error.ts';
import { MIN_CIPHERTEXT_BYTES, withoutStacks } from '../format/ciphertext.ts';
import { DATA_MEMBER } from '../format/row-from-json.ts';
import { rowFromText } from '../format/row-from-text.ts';
import { readVarint } from '../format/varint.ts';
import type { RingKeys } from './all-keys.ts';
import { openWithAnyKey } from './attribution.ts';
import { contextOf, contextTemplate, type ContextTemplate } from '../format/context-template.ts';
import { requireOwnCode } from './catalog/foreign-code.ts';
import type { ColumnSpec } from './catalog/column.ts';
import { waitForWriters } from './catalog/older-writers.ts';
import { requireOnlyTables, replaced } from './catalog/table-locks.ts';
import { lockOf, requireSameName, tableNamed } from './catalog/look-up-table.ts';
import { Connection, quoted, type DatabaseAddress } from './connection/database.ts';
import { rowOf, type Storage } from './stored-value.ts';

/** A column whose values look like ciphertexts, as far as a sample shows. */
export interface FoundColumn {
  /** Its table with its schema, as SQL writes it. */
  readonly table: string;
  /** The table's number (OID) in this database. */
  readonly tableId: string;
  readonly column: string;
  /** The column's number in the table, which it keeps when it is renamed. */
  readonly columnNumber: number;
  /** Of jsonb objects: the member that holds the ciphertext. */
  readonly member?: string;
  /** Values that were looked at, and how many of them open with a key of the ring, or look like one of its ciphertexts. */
  readonly sampled: number;
  readonly opened: number;
  readonly alike: number;
  /** The keys that open some of them, by their numbers (0: a key without a number). */
  readonly numbers: readonly number[];
  /** The numbers that those begin with that look like ciphertexts. */
  readonly alikeNumbers: readonly number[];
}

/** What was found in a database, and which tables could not be looked at. */
export interface FoundColumns {
  readonly columns: readonly FoundColumn[];
  readonly skipped: readonly SkippedTable[];
}

/** A table that could not be looked at. */
export interface SkippedTable {
  readonly table: string;
  readonly reason: string;
}

/** `clinic.patients.notes`, and the member where it has one. */
export function foundName({ table, column, member }: FoundColumn): string {
  return [`${table}.${column}`, ...(member === undefined ? [] : [member])].join(' ');
}

/** Values of a column that are looked at, from pages all over its table. */
const SAMPLE = 1000;
const SAMPLED_PAGES = 400;

/** Of a larger table, values from its beginning as well, and the rows that are read for them. */
const FIRST_VALUES = 200;
const FIRST_ROWS = 5000;

/** Bytes of a value that are looked at. A jsonb of more is passed over, since no part of it is JSON. */
const MOST_BYTES = 65_536;

/** How often tables are listed and looked at that were made, or got other partitions, since the time before. */
const MOST_ROUNDS = 5;

/** A table and its partitions, which a look at it reads. */
const tree = (id: string) =>
  `(SELECT string_agg(id::text, ' ' ORDER BY id)
     FROM (SELECT ${id} AS id UNION SELECT relid::oid FROM pg_partition_tree(${id}::regclass)) tree WHERE id IS NOT NULL)`;

/**
 * Columns of types that may hold a ciphertext, and of domains over them, of the tables of users. A partition is looked at
 * with its table. Anyone who may create a schema can make `pazpaz_keys`: only the columns of our own jobs are left out.
 */
const CANDIDATES = `
  WITH RECURSIVE bases AS (
    SELECT oid AS type, oid AS base, typbasetype AS next FROM pg_type
    UNION ALL SELECT bases.type, t.oid, t.typbasetype FROM bases JOIN pg_type t ON t.oid = bases.next)
  SELECT c.oid, format('%I.%I', n.nspname, c.relname), a.attname,
         CASE WHEN b.base = 'bytea'::regtype THEN 'bytea'
              WHEN b.base IN ('json'::regtype, 'jsonb'::regtype) THEN 'jsonb' ELSE 'text' END,
         CASE WHEN NOT has_table_privilege(c.oid, 'SELECT') THEN 'this user may not read it'
              WHEN row_security_active(c.oid) THEN 'row security hides rows of it' END,
         ${tree('c.oid')}, a.attnum
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    JOIN bases b ON b.type = a.atttypid AND b.next = 0
   WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
     AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
     AND NOT (n.nspname = 'pazpaz_keys' AND (c.relname, a.attname) IN (
           ('job', 'column_name'), ('job', 'options'), ('job', 'frontier'), ('job', 'content'), ('range', 'reached'),
           ('range', 'up_to'), ('range', 'again'), ('left_row', 'key'), ('left_row', 'code'), ('brake', 'pause_while')))
     AND b.base IN ('bytea'::regtype, 'text'::regtype, 'varchar'::regtype, 'bpchar'::regtype,
                    'json'::regtype, 'jsonb'::regtype)
   ORDER BY 2, a.attnum`;

const STORAGES: readonly Storage[] = ['bytea', 'text', 'jsonb'];

interface Candidate {
  readonly tableId: string;
  readonly table: string;
  readonly column: string;
  readonly columnNumber: number;
  readonly storage: Storage;
  readonly tree: string;
  /** Why its table cannot be looked at. */
  readonly reason: string | undefined;
}

/** A value as PostgreSQL spells it, and the contexts that it is tried in. */
interface SampledValue {
  readonly text: string;
  readonly contexts: readonly string[];
}

/**
 * Looks through every table of the database for columns that hold ciphertexts of the ring. A sample can miss some: it
 * proves nothing for a retirement, and names what a list of columns may lack. A value counts if a key of the ring opens
 * it without a context, or in one of `contexts` whose columns its table has, or if it begins with a number of the ring and
 * is no text. `wait`: tables with open transactions that have written to them are skipped.
 */
export async function findColumns(
  database: DatabaseAddress,
  keys: RingKeys,
  contexts: readonly string[] = [],
  wait?: UncountedWait,
): Promise<FoundColumns> {
  const templates = [...new Set(contexts)].map(contextTemplate);
  const session = await Connection.open(database);
  try {
    const columns: FoundColumn[] = [];
    const skipped = new Map<string, string>();
    const seen = new Set<string>();
    const writers = wait === undefined ? undefined : await openWriters(session, wait);
    // A table may move out of one that is still to be looked at, a partition say, or be made meanwhile.
    for (let round = 1; ; round += 1) {
      const fresh = (await candidatesOf(session)).filter((one) => !seen.has(identity(one)));
      if (fresh.length === 0) break;
      for (const candidate of fresh) {
        const { table } = candidate;
        seen.add(identity(candidate));
        if (round > MOST_ROUNDS) skipped.set(table, 'it was altered again and again while columns were looked for');
        else if (candidate.reason !== undefined) skipped.set(table, candidate.reason);
        const open = writers?.get(candidate.tableId);
        if (open !== undefined) skipped.set(table, `transactions that have written to it are still open: ${open}`);
        if (skipped.has(table)) continue;
        try {
          columns.push(...foundIn(candidate, await sampleOf(session, candidate, templates), keys));
        } catch (error) {
          // Of one table alone: a function of another role would run, it is locked, or it is gone.
          if (!isKeyRotationError(error) || error.code === 'CANNOT_REACH_DATABASE') throw error;
          skipped.set(table, error.message);
        }
      }
    }
    return { columns, skipped: [...skipped].map(([table, reason]) => ({ table, reason })) };
  } finally {
    await session.close();
  }
}

/** How transactions are waited for that have written to tables which were not counted. */
export interface UncountedWait {
  /** Milliseconds. Default: 60,000. */
  readonly timeout: number | undefined;
  /** The tables that were counted, by their numbers. */
  readonly counted: readonly string[];
}

async function openWriters(session: Connection, { timeout, counted }: UncountedWait) {
  const ids = new Set((await candidatesOf(session)).map(({ tableId }) => tableId));
  for (const id of counted) ids.delete(id);
  return waitForWriters(session, [...ids], { timeout });
}

async function candidatesOf(session: Connection): Promise<readonly Candidate[]> {
  return (await session.rows(CANDIDATES)).flatMap(([tableId, table, column, type, reason, ids, number]) => {
    const storage = STORAGES.find((one) => one === type);
    if (tableId == null || table == null || column == null || storage === undefined) return [];
    const columnNumber = Number(number);
    return [{ tableId, table, column, columnNumber, storage, tree: ids ?? '', reason: reason ?? undefined }];
  });
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

/** Pages of a table with its partitions, as they are now: statistics may be missing. */
const PAGES = `
  SELECT sum(pg_relation_size(id)) / current_setting('block_size')::int8,
         (SELECT relkind = 'r' FROM pg_class WHERE oid = $1::oid),
         ${tree('$1::oid')}
    FROM (SELECT $1::oid AS id UNION SELECT relid FROM pg_partition_tree($1::oid::regclass)) tree`;

const COLUMN_NUMBER = 'SELECT attnum FROM pg_attribute WHERE attrelid = $1::oid AND attname = $2 AND NOT attisdropped';

const NAMES = 'SELECT attname FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped';

async function sampleOf(
  session: Connection,
  candidate: Candidate,
  all: readonly ContextTemplate[],
): Promise<readonly SampledValue[]> {
  const { tableId, table, column, storage } = candidate;
  const locks = await lockOf(session, tableId);
  return session.transaction(
    async () => {
      // An owner could put a function of its own behind the table between the check and the query.
      for (const lock of locks) await session.change(lock);
      await requireSameName(session, tableId, table);
      await requireOwnCode(session, tableId, { table, column });
      const names = new Set((await session.rows(NAMES, [tableId])).map(([name]) => name));
      const templates = all.filter(({ columns }) => columns.every((name) => names.has(name)));
      const inContexts = [...new Set(templates.flatMap(({ columns }) => columns))];
      const [size] = await session.rows(PAGES, [tableId]);
      const pages = Number(size?.[0] ?? 0);
      // A child by inheritance is a table of its own.
      const from = `${size?.[1] === 't' ? 'ONLY ' : ''}${table} t`;
      const value =
        storage === 'jsonb'
          ? `CASE WHEN pg_catalog.octet_length(v::pg_catalog.text) OPERATOR(pg_catalog.<=) ${MOST_BYTES}
                  THEN v::pg_catalog.text END`
          : `pg_catalog.substring(v, 1, ${MOST_BYTES})`;
      const read = [
        `t.${quoted(column)} AS v`,
        ...inContexts.map((name, at) => `t.${quoted(name)}::pg_catalog.text AS c${at}`),
      ];
      const sample = (rows: string, most: number) =>
        session.rows(
          `SELECT ${[value, ...inContexts.map((_, at) => `c${at}`)].join(', ')}
             FROM (SELECT * FROM (SELECT ${read.join(', ')} FROM ${rows}) r WHERE v IS NOT NULL LIMIT ${most}) s`,
        );
      const percent = Math.min(100, (100 * SAMPLED_PAGES) / Math.max(1, pages));
      const found = [...(await sample(`${from} TABLESAMPLE SYSTEM (${percent}) ORDER BY pg_catalog.random()`, SAMPLE))];
      // The pages of a large table that were taken may be empty.
      if (percent < 100) found.push(...(await sample(`${from} LIMIT ${FIRST_ROWS}`, FIRST_VALUES)));
      // What another table, or code that was added meanwhile, has given is not believed.
      await session.restorePath();
      await requireOnlyTables(session, [session], [candidate]);
      await requireOwnCode(session, tableId, { table, column });
      const [after] = await session.rows(PAGES, [tableId]);
      const [numbered] = await session.rows(COLUMN_NUMBER, [tableId, column]);
      if (numbered?.[0] !== String(candidate.columnNumber)) throw replaced(`${table}.${column}`);
      if (size?.[2] !== candidate.tree || after?.[2] !== candidate.tree) throw replaced(table);
      return found.flatMap(([text, ...values]) => {
        if (text == null) return [];
        const valueOf = (name: string) => values[inContexts.indexOf(name)];
        const contexts = templates.flatMap((one) => contextOf(one, one.columns.map(valueOf)) ?? []);
        return [{ text, contexts: ['', ...contexts] }];
      });
    },
    {
      mode: 'ISOLATION LEVEL READ COMMITTED, READ ONLY',
      settings: ["SET LOCAL lock_timeout = '3s'"],
    },
  );
}

interface SampledRow {
  readonly bytes: Uint8Array;
  readonly contexts: readonly string[];
}

/** The column itself, or those members of its objects, that look encrypted. */
function foundIn(
  { table, tableId, column, columnNumber, storage }: Candidate,
  values: readonly SampledValue[],
  keys: RingKeys,
): readonly FoundColumn[] {
  const places = new Map<string | undefined, SampledRow[]>([[undefined, []]]);
  for (const { text, contexts } of values) {
    const rows = storage === 'jsonb' ? rowsInJson(text) : [[undefined, rowOf(text, storage)] as const];
    for (const [member, bytes] of rows) {
      const place = places.get(member) ?? [];
      place.push({ bytes, contexts });
      places.set(member, place);
    }
  }
  return [...places].flatMap(([member, all]) => {
    const rows = all.filter(({ bytes }) => bytes.length > 0);
    const openers = withoutStacks(() => rows.map((row) => openerOf(row, keys))).filter((key) => key !== undefined);
    const opened = openers.length;
    const alikeNumbers = rows.map(({ bytes }) => alikeNumber(bytes, keys)).filter((number) => number !== undefined);
    const alike = alikeNumbers.length;
    if (opened === 0 && (alike === 0 || 2 * alike < rows.length)) return [];
    const named = member === undefined ? {} : { member };
    return [
      {
        table,
        tableId,
        column,
        columnNumber,
        ...named,
        sampled: rows.length,
        opened,
        alike,
        numbers: [...new Set(openers)],
        alikeNumbers: [...new Set(alikeNumbers)],
      },
    ];
  });
}

/** The rows that a jsonb may hold, each by the member it is in; by no member for a string, or an object of older data. */
function rowsInJson(text: string): readonly (readonly [string | undefined, Uint8Array])[] {
  const value: unknown = JSON.parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return typeof value === 'string' ? [[undefined, rowFromText(value)]] : [];
  }
  const members = Object.entries(value).flatMap(([name, member]: [string, unknown]) =>
    typeof member === 'string' && member.length > MIN_CIPHERTEXT_BYTES
      ? [[name === DATA_MEMBER ? undefined : name, rowFromText(member)] as const]
      : [],
  );
  // `data` is taken by itself, and objects of older data have it between others.
  return members.some(([name]) => name === undefined) ? members : [...members, [undefined, rowOf(text, 'jsonb')]];
}

function openerOf({ bytes, contexts }: SampledRow, keys: RingKeys): number | undefined {
  if (bytes.length < MIN_CIPHERTEXT_BYTES) return undefined;
  return openWithAnyKey({ bytes, number: readVarint(bytes), contexts }, keys)?.number;
}

/** The number of the ring that bytes begin with, where they are no text; `undefined` otherwise. */
function alikeNumber(bytes: Uint8Array, keys: RingKeys): number | undefined {
  const number = readVarint(bytes);
  const highest = Math.max(0, ...keys.ring.versionOf.keys());
  const isOne = bytes.length >= MIN_CIPHERTEXT_BYTES && number !== undefined && number <= highest && !isUtf8(bytes);
  return isOne ? number : undefined;
}
