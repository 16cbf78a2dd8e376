import { KeyRotationError } from '../format/error.ts';
import { keyCell, type Column } from './catalog/column.ts';
import { isDamage, isOfRow, type DatabaseFailure } from './connection/database-error.ts';
import type { Cells, Connection } from './connection/database.ts';
import { ctidOf, PLACES_OF_PAGE, rangeCondition, scanRange, type HeapRange } from './heap-scan.ts';
import { keyCells, spanCondition, type KeySpan } from './read-rows.ts';
import { listedKey } from './row-reader.ts';

/** What the server cannot read: one row, or a page with all of its rows. */
export interface Damage {
  /** Quoted for SQL; of a partitioned table the partition. */
  readonly table: string;
  /** `ctid (0,7)`, or `page 7`. */
  readonly place: string;
  /** `undefined` where it cannot be read either. */
  readonly key: readonly string[] | undefined;
  readonly error: DatabaseFailure;
}

export type Attempt<T> = { readonly value: T } | { readonly error: DatabaseFailure };

/** A part of a table, of a partitioned one in one partition. */
interface Part {
  readonly column: Column;
  readonly range: HeapRange;
}

/** Reads a part from its beginning, whether or not it has begun to read it before. */
type Read = (column: Column, range: HeapRange) => Promise<void>;

/** Pages are read by their numbers, and nothing else leads to a row. */
const BY_PLACE = ['enable_seqscan', 'enable_indexscan', 'enable_indexonlyscan', 'enable_bitmapscan'];

export const EVERY_ROW: HeapRange = { from: undefined, to: undefined };

/**
 * Reads something within the open transaction, which continues where the server cannot read it. Locks of what was read stay.
 * `off`: settings of the planner meanwhile.
 */
export async function tryReading<T>(
  session: Connection,
  read: () => Promise<T>,
  off: readonly string[] = [],
  isExpected: (error: unknown) => error is DatabaseFailure = isDamage,
): Promise<Attempt<T>> {
  const settings = off.map((name) => `pg_catalog.current_setting('${name}')`).join(', ');
  const [former = []] = off.length === 0 ? [] : await session.rows(`SELECT ${settings}`);
  const set = (values: Cells) => off.map((name, index) => `SET LOCAL ${name} = ${values[index] ?? 'off'}`);
  await session.change(['SAVEPOINT reading', ...set([])].join('; '));
  try {
    const value = await read();
    await session.change(['RELEASE SAVEPOINT reading', ...set(former)].join('; '));
    return { value };
  } catch (error) {
    if (!isExpected(error)) throw error;
    await session.change('ROLLBACK TO SAVEPOINT reading; RELEASE SAVEPOINT reading');
    return { error };
  }
}

/** Has `read` read a range. Where it fails, the range is halved until only what the server cannot read is left out. */
export async function* readAround(
  session: Connection,
  column: Column,
  range: HeapRange,
  read: Read,
): AsyncGenerator<Damage> {
  const all = await tryReading(session, () => read(column, range));
  if ('value' in all) return;
  for (const part of await partsOf(session, { column, range }, all.error)) yield* readPart(session, part, read);
}

/** Does what `readAround` does, for a caller that is content with what can be read. */
export async function passDamage(session: Connection, column: Column, range: HeapRange, read: Read): Promise<void> {
  const damages = readAround(session, column, range, read);
  while ((await damages.next()).done !== true);
}

async function* readPart(session: Connection, { column, range }: Part, read: Read): AsyncGenerator<Damage> {
  const done = await tryReading(session, () => read(column, range), BY_PLACE);
  if ('value' in done) return;
  const { error } = done;
  const { from = 0, to } = range;
  const page = `page ${Math.floor(from / PLACES_OF_PAGE)}`;
  const places = to === undefined ? undefined : to - from;
  if (places === undefined) yield { table: column.table, place: `${page} or one after it`, key: undefined, error };
  else if (places <= 1) yield await damagedRow(session, { column, range }, error);
  else if (places === PLACES_OF_PAGE && !(await hasReadablePage(session, { column, range }))) {
    yield { table: column.table, place: page, key: undefined, error };
  } else {
    const unit = places > PLACES_OF_PAGE ? PLACES_OF_PAGE : 1;
    const middle = from + Math.ceil(places / unit / 2) * unit;
    yield* readPart(session, { column, range: { from, to: middle } }, read);
    yield* readPart(session, { column, range: { from: middle, to } }, read);
  }
}

const PARTS = `
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname),
         pg_catalog.pg_relation_size(c.oid) OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::pg_catalog.int8,
         pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 140000 AND m.amname OPERATOR(pg_catalog.=) 'heap'
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) c.relam
   WHERE c.relkind OPERATOR(pg_catalog.=) 'r'
     AND c.oid OPERATOR(pg_catalog.=) ANY (SELECT $1::pg_catalog.oid
           UNION SELECT relid FROM pg_catalog.pg_partition_tree($1::pg_catalog.oid::pg_catalog.regclass))`;

/** Parts with an end, so that they can be halved. Throws `error` where pages cannot be read by their numbers. */
async function partsOf(session: Connection, { column, range }: Part, error: DatabaseFailure): Promise<readonly Part[]> {
  const parts: Part[] = [];
  for (const [table, pages, hasRanges] of await session.rows(PARTS, [column.tableId])) {
    if (table == null || hasRanges !== 't') throw error;
    const part = { ...column, table, ownRows: `ONLY ${table}` };
    const { from = 0, to = Math.max(from, Number(pages) * PLACES_OF_PAGE) } = range;
    parts.push({ column: part, range: { from, to } });
    // Pages that were added meanwhile.
    if (range.to === undefined) parts.push({ column: part, range: { from: to, to: undefined } });
  }
  return parts;
}

async function hasReadablePage(session: Connection, { column, range }: Part): Promise<boolean> {
  const count = `SELECT pg_catalog.count(*) FROM ${column.ownRows} t WHERE ${rangeCondition(column, range)}`;
  return 'value' in (await tryReading(session, () => session.rows(count), BY_PLACE));
}

async function damagedRow(session: Connection, { column, range }: Part, error: DatabaseFailure): Promise<Damage> {
  const key = column.key.map((one) => `${keyCell(one)}::pg_catalog.text`).join(', ');
  const select = `SELECT ${key} FROM ${column.ownRows} t WHERE ${rangeCondition(column, range)}`;
  const found = await tryReading(session, () => session.rows(select), BY_PLACE, isOfRow);
  const [cells] = 'value' in found ? found.value : [];
  return {
    table: column.table,
    place: `ctid ${ctidOf(range.from ?? 0)}`,
    key: cells === undefined ? undefined : listedKey(cells.map((cell) => cell ?? '')),
    error,
  };
}

/** Does `read` within the open transaction. Where the server cannot read all of it, throws an error that names a row. */
export async function namingDamage<T>(
  session: Connection,
  column: Column,
  range: HeapRange,
  read: () => Promise<T>,
): Promise<T> {
  const done = await tryReading(session, read);
  if ('value' in done) return done.value;
  const look: Read = (part, places) => scanRange(session, part, places, () => undefined);
  for await (const damage of readAround(session, column, range, look)) throw unreadable(column, damage);
  throw done.error;
}

function unreadable({ column }: Column, damage: Damage): KeyRotationError {
  const { table, place, key, error } = damage;
  const isRow = place.startsWith('ctid');
  const way = isRow ? ` If its value is lost, delete the row or set ${column} to NULL.` : '';
  return new KeyRotationError(
    'DATABASE_REFUSED',
    `The server cannot read ${key === undefined ? placeOf(damage) : `the row of ${table} with the key ${key.join(', ')} (${place})`}, ` +
      `so not every row can be counted. ${error.message}. Restore it from a backup.${way} reencrypt lists all that cannot be ` +
      'read (docs/reencrypt.md, "Damaged rows").',
  );
}

export function placeOf({ place, table }: Damage): string {
  return `${place} of ${table}`;
}

/** From the rows that the server can read, in the order of the key. */
export async function keysAround(
  session: Connection,
  column: Column,
  span: KeySpan,
  { offset = 0, rows }: { readonly offset?: number; readonly rows: number },
): Promise<readonly (readonly string[])[]> {
  const cells = keyCells(column).join(', ');
  const select = (what: string, part: Part) =>
    `SELECT ${what} FROM ${part.column.ownRows} t WHERE ${rangeCondition(part.column, part.range, spanCondition(column, span))}`;
  const readable: Part[] = [];
  const probe: Read = async (part, range) => {
    await session.rows(
      select(`pg_catalog.sum(pg_catalog.length(ROW(${cells})::pg_catalog.text))`, { column: part, range }),
    );
    const last = readable.at(-1);
    if (last?.column === part && last.range.to === range.from) {
      readable.splice(-1, 1, { column: part, range: { from: last.range.from, to: range.to } });
    } else readable.push({ column: part, range });
  };
  await passDamage(session, column, EVERY_ROW, probe);
  const names = column.key.map((_, index) => `k${index}`);
  // With the name of the table: a bare name would be the text that is selected.
  const order = names.map((name) => `t.${name}`).join(', ');
  const found = await tryReading(
    session,
    () =>
      session.rows(
        `SELECT ${names.map((name) => `${name}::pg_catalog.text`).join(', ')}
           FROM (${readable.map((part) => select(cells, part)).join(' UNION ALL ')}) t(${names.join(', ')})
          ORDER BY ${order} OFFSET ${offset} LIMIT ${rows}`,
      ),
    BY_PLACE,
  );
  if ('error' in found) throw found.error;
  return found.value.map((cells) => cells.map((cell) => cell ?? ''));
}
