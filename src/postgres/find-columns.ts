import { isUtf8 } from 'node:buffer';
import { isKeyRotationError } from '../format/error.ts';
import { MIN_CIPHERTEXT_BYTES, withoutStacks } from '../format/ciphertext.ts';
import { DATA_MEMBER } from '../format/row-from-json.ts';
import { rowFromText } from '../format/row-from-text.ts';
import { readVarint } from '../format/varint.ts';
import type { RingKeys } from './all-keys.ts';
import { openWithAnyKey } from './attribution.ts';
import { requireOwnExpressions } from './catalog/look-up-column.ts';
import { lockOf } from './catalog/look-up-table.ts';
import { Connection, quoted, type DatabaseAddress } from './connection/database.ts';
import { rowOf, type Storage } from './stored-value.ts';

/** A column whose values look like ciphertexts, as far as a sample shows. */
export interface FoundColumn {
  /** Its table with its schema, as SQL writes it. */
  readonly table: string;
  readonly column: string;
  /** Of jsonb objects: the member that holds the ciphertext. */
  readonly member?: string;
  /** Values that were looked at, and how many of them open with a key of the ring, or look like one of its ciphertexts. */
  readonly sampled: number;
  readonly opened: number;
  readonly alike: number;
  /** The keys that open some of them, by their numbers (0: a key without a number). */
  readonly numbers: readonly number[];
}

/** What was found in a database, and which tables could not be looked at. */
export interface FoundColumns {
  readonly columns: readonly FoundColumn[];
  readonly skipped: readonly { readonly table: string; readonly reason: string }[];
}

/** `clinic.patients.notes`, and the member where it has one. */
export function foundName({ table, column, member }: FoundColumn): string {
  return [`${table}.${column}`, ...(member === undefined ? [] : [member])].join(' ');
}

/** Values of a column that are looked at; rows that are read for them, from the beginning of a table and from all of it. */
const SAMPLE = 200;
const READ_ROWS = 5000;

/** Bytes of a value that are looked at. A jsonb of more is passed over, since no part of it is JSON. */
const MOST_BYTES = 65_536;

/** Columns of types that may hold a ciphertext, of the tables of users. A partition is looked at with its table. */
const CANDIDATES = `
  SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.reltuples::int8, a.attname,
         CASE coalesce(b.oid, t.oid) WHEN 'bytea'::regtype THEN 'bytea' WHEN 'jsonb'::regtype THEN 'jsonb' ELSE 'text' END,
         CASE WHEN NOT has_table_privilege(c.oid, 'SELECT') THEN 'this user may not read it'
              WHEN row_security_active(c.oid) THEN 'row security hides rows of it' END
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type b ON b.oid = t.typbasetype
   WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
     AND n.nspname NOT IN ('information_schema', 'pazpaz_keys') AND n.nspname !~ '^pg_'
     AND coalesce(b.oid, t.oid) IN ('bytea'::regtype, 'text'::regtype, 'varchar'::regtype, 'jsonb'::regtype)
   ORDER BY 2, a.attnum`;

const STORAGES: readonly Storage[] = ['bytea', 'text', 'jsonb'];

interface Candidate {
  readonly tableId: string;
  readonly table: string;
  readonly rows: number;
  readonly column: string;
  readonly storage: Storage;
}

/**
 * Looks through every table of the database for columns that hold ciphertexts of the ring. A sample can miss some: it
 * proves nothing for a retirement, and names what a list of columns may lack. A value counts if a key of the ring opens
 * it without a context, or if it begins with a number of the ring and is no text.
 */
export async function findColumns(database: DatabaseAddress, keys: RingKeys): Promise<FoundColumns> {
  const session = await Connection.open(database);
  try {
    const columns: FoundColumn[] = [];
    const skipped = new Map<string, string>();
    for (const [tableId, table, rows, column, type, reason] of await session.rows(CANDIDATES)) {
      const storage = STORAGES.find((one) => one === type);
      if (tableId == null || table == null || column == null || storage === undefined) continue;
      if (reason != null) skipped.set(table, reason);
      if (skipped.has(table)) continue;
      try {
        const candidate = { tableId, table, rows: Number(rows), column, storage };
        columns.push(...foundIn(candidate, await sampleOf(session, candidate), keys));
      } catch (error) {
        // Of one table alone: a function of another role would run, it is locked, or it is gone.
        if (!isKeyRotationError(error) || error.code === 'CANNOT_REACH_DATABASE') throw error;
        skipped.set(table, error.message);
      }
    }
    return { columns, skipped: [...skipped].map(([table, reason]) => ({ table, reason })) };
  } finally {
    await session.close();
  }
}

async function sampleOf(session: Connection, candidate: Candidate): Promise<readonly string[]> {
  const { tableId, table, column, storage, rows } = candidate;
  const locks = await lockOf(session, tableId);
  return session.transaction(
    async () => {
      // An owner could put a function of its own behind the table between the check and the query.
      for (const lock of locks) await session.change(lock);
      await requireOwnExpressions(session, tableId, { table, column });
      const name = `t.${quoted(column)}`;
      const value =
        storage === 'jsonb'
          ? `CASE WHEN octet_length(${name}::text) <= ${MOST_BYTES} THEN ${name}::text END`
          : `substring(${name} FOR ${MOST_BYTES})`;
      const sample = (from: string, order: string) =>
        session.rows(
          `SELECT v FROM (SELECT ${value} AS v FROM ${from} LIMIT ${READ_ROWS}) s WHERE v IS NOT NULL ${order} LIMIT ${SAMPLE}`,
        );
      const found = [...(await sample(`${table} t`, ''))];
      // The first rows may be the oldest; others come from pages all over the table.
      if (rows > READ_ROWS) {
        const percent = (50 * READ_ROWS) / rows;
        found.push(...(await sample(`${table} t TABLESAMPLE SYSTEM (${percent})`, 'ORDER BY random()')));
      }
      return found.flatMap(([text]) => text ?? []);
    },
    { mode: 'ISOLATION LEVEL READ COMMITTED, READ ONLY', settings: ["SET LOCAL lock_timeout = '3s'"] },
  );
}

/** The column itself, or those members of its objects, that look encrypted. */
function foundIn(
  { table, column, storage }: Candidate,
  values: readonly string[],
  keys: RingKeys,
): readonly FoundColumn[] {
  const places = new Map<string | undefined, Uint8Array[]>([[undefined, []]]);
  for (const value of values) {
    if (storage !== 'jsonb') places.get(undefined)?.push(rowOf(value, storage));
    else {
      for (const [member, bytes] of rowsInJson(value)) places.set(member, [...(places.get(member) ?? []), bytes]);
    }
  }
  return [...places].flatMap(([member, all]) => {
    const rows = all.filter(({ length }) => length > 0);
    const openers = withoutStacks(() => rows.map((bytes) => openerOf(bytes, keys))).filter((key) => key !== undefined);
    const opened = openers.length;
    const alike = rows.filter((bytes) => isAlike(bytes, keys)).length;
    if (opened === 0 && (alike === 0 || 2 * alike < rows.length)) return [];
    const named = member === undefined ? {} : { member };
    return [{ table, column, ...named, sampled: rows.length, opened, alike, numbers: [...new Set(openers)] }];
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

function openerOf(bytes: Uint8Array, keys: RingKeys): number | undefined {
  if (bytes.length < MIN_CIPHERTEXT_BYTES) return undefined;
  return openWithAnyKey({ bytes, number: readVarint(bytes), contexts: [''] }, keys)?.number;
}

/** Whether bytes begin with a number that the ring has or had, and are no text. */
function isAlike(bytes: Uint8Array, keys: RingKeys): boolean {
  const number = readVarint(bytes);
  const highest = Math.max(0, ...keys.ring.versionOf.keys());
  return bytes.length >= MIN_CIPHERTEXT_BYTES && number !== undefined && number <= highest && !isUtf8(bytes);
}
