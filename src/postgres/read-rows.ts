import { KeyRotationError } from '../format/error.ts';
import { textArray } from './connection/binary-array.ts';
import { columnName, type Column } from './catalog/column.ts';
import { contextOf } from '../format/context-template.ts';
import { rowOf } from './stored-value.ts';
import { quoted, type Cells, type Parameter, type Connection } from './connection/database.ts';

/** Most bytes of a value that is read: larger ones are listed, so that memory stays bounded. */
export const MOST_VALUE_BYTES = 16 * 1024 * 1024;

/** A row as it was read: its key as PostgreSQL spells it and, unless it is NULL, its value: bytes, or a text or JSON. */
export interface StoredRow {
  readonly key: readonly string[];
  /** `undefined`: larger than `MOST_VALUE_BYTES`, and not read. */
  readonly stored: string | Uint8Array | null | undefined;
  /** The context it is to be in; `undefined` where a column of the template is NULL. */
  readonly context: string | undefined;
  /** Every context that it may be in now, the likely one first. */
  readonly contexts: readonly string[];
  /** The text of each of the column's `watched` columns; where one is NULL there is no context either. */
  readonly watched: readonly string[];
}

/** Rows after the key `after`, up to and with `upTo`; without one, from the first or to the last. */
export interface KeySpan {
  readonly after: readonly string[] | undefined;
  readonly upTo: readonly string[] | undefined;
  /** A condition in SQL on the row `t`; default: every row. */
  readonly where?: string;
}

/** Most rows and most bytes that are read at once: one of them ends a batch, so that memory is the same for any table. */
export interface BatchLimits {
  readonly rows: number;
  readonly bytes: number;
}

/**
 * Reads the next rows of a span in the order of their key; none means that no rows are left. Throws `INVALID_COLUMN`
 * where the index gives keys in another order than PostgreSQL compares them in: reading along it would miss rows.
 */
export async function readBatch(
  session: Connection,
  column: Column,
  span: KeySpan,
  limits: BatchLimits,
): Promise<readonly StoredRow[]> {
  const { condition, values } = spanCondition(column, span);
  const names = column.key.map((_, index) => `k${index}`);
  const columns = selected(column);
  const before = column.key.map(({ type }, index) =>
    // The parameters of `after` are the first of the condition.
    span.after === undefined
      ? `pg_catalog.lag(k${index}) OVER w`
      : `pg_catalog.lag(k${index}, 1, $${index + 1}::pg_catalog.text::${type}) OVER w`,
  );
  const grows = `coalesce(ROW(${names.join(', ')}) ${operator(column, '>')} ROW(${before.join(', ')}), true)`;
  const order = names.join(', ');
  const rows = await session.rows(
    `SELECT ${columns.map((_, index) => `c${index}`).join(', ')}, grows FROM (
       SELECT *, pg_catalog.sum(size) OVER w OPERATOR(pg_catalog.-) size AS before, ${grows} AS grows FROM (
         SELECT ${column.key.map(({ name }, index) => `t.${quoted(name)} AS k${index}`).join(', ')},
                ${columns.map((expression, index) => `${expression} AS c${index}`).join(', ')}, ${readSize(column)} AS size
           FROM ${column.table} t WHERE ${condition}
          ORDER BY ${column.key.map(({ name }) => `t.${quoted(name)}`).join(', ')} LIMIT ${limits.rows}) batch
       WINDOW w AS (ORDER BY ${order} ROWS UNBOUNDED PRECEDING)) sized
      WHERE before OPERATOR(pg_catalog.<) ${limits.bytes}`,
    values,
  );
  if (rows.some((cells) => cells.at(-1) === 'f')) throw outOfOrder(column);
  return rows.map((cells) => storedRow(column, cells.slice(0, -1)));
}

/**
 * Reads the rows with the first of these keys, as far as they are still there. `keysRead`: of how many keys the rows
 * that the limits let through are, and those that are gone between them.
 */
export async function readRows(
  session: Connection,
  column: Column,
  keys: readonly (readonly string[])[],
  limits: BatchLimits,
): Promise<{ readonly rows: readonly StoredRow[]; readonly keysRead: number }> {
  const asked = keys.slice(0, limits.rows);
  const { arrays, names, values, match } = keyTable(column, asked, 1);
  const columns = selected(column).map((expression, index) => `${expression} AS c${index}`);
  const text = `SELECT ${columns.map((_, index) => `c${index}`).join(', ')}, n, last FROM (
       SELECT *, pg_catalog.max(n) OVER () AS last,
              pg_catalog.sum(size) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) OPERATOR(pg_catalog.-) size AS before FROM (
         SELECT u.n, ${columns.join(', ')}, ${readSize(column)} AS size
           FROM pg_catalog.unnest(${arrays.join(', ')}) WITH ORDINALITY AS u(${names.join(', ')}, n)
           JOIN ${column.table} t ON ${match}) found) sized
      WHERE before OPERATOR(pg_catalog.<) ${limits.bytes} ORDER BY n`;
  const found = await session.without(OTHER_JOINS, () => session.rows(text, values));
  const [n, last] = found.at(-1)?.slice(-2) ?? [];
  return {
    rows: found.map((cells) => storedRow(column, cells.slice(0, -2))),
    keysRead: n === last ? asked.length : Number(n),
  };
}

/** The key so many rows after the span's start; `undefined` where there are fewer. */
export async function keyAhead(
  session: Connection,
  column: Column,
  after: readonly string[] | undefined,
  rows: number,
): Promise<readonly string[] | undefined> {
  const { condition, values } = spanCondition(column, { after, upTo: undefined });
  const names = column.key.map(({ name }) => `t.${quoted(name)}`);
  const [found] = await session.rows(
    `SELECT ${names.map((name) => `${name}::pg_catalog.text`).join(', ')} FROM ${column.table} t
      WHERE ${condition} ORDER BY ${names.join(', ')} OFFSET ${rows - 1} LIMIT 1`,
    values,
  );
  return found?.map((value) => value ?? '');
}

/**
 * Joins that the planner must not choose where rows are looked up by key: statistics of a table that was just filled, or
 * of an array of thousands, can talk it into reading all of the table. Looks at the catalog are ten times as fast with them.
 */
export const OTHER_JOINS = ['enable_hashjoin', 'enable_mergejoin'];

/** Keys as columns of a table `u`, to be joined with the rows `t` that they name. `first`: number of the first parameter. */
export function keyTable(column: Column, keys: readonly (readonly string[])[], first: number) {
  const names = column.key.map((_, index) => `k${index}`);
  const arrays = names.map((_, index) => `$${first + index}::pg_catalog.text[]`);
  return {
    names,
    arrays,
    values: column.key.map((_, index) => textArray(keys.map((key) => key[index] ?? ''))),
    match: column.key
      .map(({ name, type }, index) => `t.${quoted(name)} ${operator(column, '=')} u.k${index}::${type}`)
      .join(' AND '),
  };
}

/** What is read of a row: its key, the columns of both contexts, whether its value is too large to read, the value. */
function selected(column: Column): readonly string[] {
  const { key, context, fromContext } = column;
  const columns = [...key.map(({ name }) => name), ...context.columns, ...(fromContext?.columns ?? [])];
  return [
    ...columns.map((name) => `t.${quoted(name)}::pg_catalog.text`),
    `${valueSize(column)} OPERATOR(pg_catalog.>) ${MOST_VALUE_BYTES}`,
    valueUpTo(column, MOST_VALUE_BYTES),
  ];
}

/** The value, NULL where it has more bytes than these. */
export function valueUpTo(column: Column, bytes: number): string {
  return `CASE WHEN ${valueSize(column)} OPERATOR(pg_catalog.<=) ${bytes} THEN ${sentValue(column)} END`;
}

/** Bytes of the value as it is sent, which PostgreSQL knows of bytea and text without reading them. 0 for NULL. */
function valueSize(column: Column): string {
  return `coalesce(pg_catalog.octet_length(${sentValue(column)}), 0)`;
}

/** The value as it is sent: bytes, or a text without the blanks that fill up a char. */
function sentValue({ storage, column }: Column): string {
  return storage === 'bytea' ? `t.${column}` : `t.${column}::pg_catalog.text`;
}

/** Bytes that reading the value takes: none where it is too large to be read. */
function readSize(column: Column): string {
  return `CASE WHEN ${valueSize(column)} OPERATOR(pg_catalog.<=) ${MOST_VALUE_BYTES} THEN ${valueSize(column)} ELSE 0 END::pg_catalog.int8`;
}

/** Has rows looked up through the key's index, where the transaction reads the table itself otherwise. */
const KEY_SCANS =
  'SET LOCAL enable_indexscan = on; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off';

/** The operator that the key's index compares with. */
function operator({ key }: Column, sign: string): string {
  return `OPERATOR(${key[0]?.operators ?? 'pg_catalog'}.${sign})`;
}

/** How many of these keys lead to no row, although rows with them were seen in this snapshot. */
export async function keysOutOfReach(
  session: Connection,
  column: Column,
  keys: readonly (readonly string[])[],
): Promise<number> {
  await session.change(KEY_SCANS);
  let reached = 0;
  for (let from = 0; from < keys.length; from += 2000) {
    const { arrays, names, values, match } = keyTable(column, keys.slice(from, from + 2000), 1);
    const [found] = await session.rows(
      `SELECT pg_catalog.count(DISTINCT u.n) FROM ROWS FROM (${arrays.map((array) => `pg_catalog.unnest(${array})`).join(', ')})
              WITH ORDINALITY AS u(${names.join(', ')}, n) JOIN ${column.table} t ON ${match}`,
      values,
    );
    reached += Number(found?.[0]);
  }
  return keys.length - reached;
}

/** The error for an index that does not lead to every row. `rows`: how many were seen that it does not lead to. */
export function outOfOrder(column: Column, rows?: number): KeyRotationError {
  return new KeyRotationError(
    'INVALID_COLUMN',
    (rows === undefined ? '' : `${rows} rows of ${column.table} cannot be found by their key. `) +
      `The keys of ${columnName(column)} (${column.key.map(({ name }) => name).join(', ')}) come from their index in another ` +
      'order than PostgreSQL compares them in: their collation has changed since the index was built, or the index is ' +
      `damaged. Rows could be missed, so this stops here; what is done stays done. Rebuild the indexes first: REINDEX TABLE ${column.table}.`,
  );
}

/** A row out of the values of `selected`. */
function storedRow({ key, context, fromContext, watched, storage }: Column, cells: Cells): StoredRow {
  const contextStart = key.length;
  const fromStart = contextStart + context.columns.length;
  const wanted = contextOf(context, cells.slice(contextStart, fromStart));
  const value = cells.at(-1) ?? null;
  const from = fromContext === undefined ? undefined : contextOf(fromContext, cells.slice(fromStart, -2));
  return {
    key: cells.slice(0, contextStart).map((value) => value ?? ''),
    stored: cells.at(-2) === 't' ? undefined : value !== null && storage === 'bytea' ? rowOf(value, storage) : value,
    context: wanted,
    contexts: [wanted, from].filter((one) => one !== undefined),
    watched: watched.map((name) => cells[contextStart + context.columns.indexOf(name)] ?? ''),
  };
}

function spanCondition(column: Column, { after, upTo, where }: KeySpan): { condition: string; values: Parameter[] } {
  const { key } = column;
  const columns = `ROW(${key.map(({ name }) => `t.${quoted(name)}`).join(', ')})`;
  const values: Parameter[] = [];
  const bound = (sign: string, of: readonly string[] | undefined) => {
    if (of === undefined) return [];
    const parameters = key.map(({ type }, index) => {
      values.push(of[index] ?? null);
      return `$${values.length}::pg_catalog.text::${type}`;
    });
    return [`${columns} ${operator(column, sign)} ROW(${parameters.join(', ')})`];
  };
  const conditions = [...bound('>', after), ...bound('<=', upTo), ...(where === undefined ? [] : [where])];
  return { condition: conditions.length === 0 ? 'true' : conditions.join(' AND '), values };
}
