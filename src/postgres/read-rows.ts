import pg from 'pg';
import { KeyRotationError } from '../format/error.ts';
import { textArray } from './connection/binary-array.ts';
import { columnName, keyCell, type Column } from './catalog/column.ts';
import { readSize, rowExpressions, storedRowReader, valueSize, type StoredRow } from './row-reader.ts';
import type { Connection } from './connection/database.ts';

/** Without `after`, from the first row; without `upTo`, to the last. */
export interface KeySpan {
  readonly after: readonly string[] | undefined;
  readonly upTo: readonly string[] | undefined;
  /** A condition in SQL on the row `t`; default: every row. */
  readonly where?: string;
}

/** Either ends a batch, so that memory is the same for any table. */
export interface BatchLimits {
  readonly rows: number;
  readonly bytes: number;
}

/** Throws `INVALID_COLUMN` where the index has keys in another order than PostgreSQL compares them in. */
export async function readBatch(
  session: Connection,
  column: Column,
  span: KeySpan,
  limits: BatchLimits,
): Promise<readonly StoredRow[]> {
  const names = column.key.map((_, index) => `k${index}`);
  const cells = rowExpressions(column);
  const before = column.key.map(({ type }, index) =>
    span.after === undefined
      ? `pg_catalog.lag(k${index}) OVER w`
      : `pg_catalog.lag(k${index}, 1, ${literal(span.after[index])}::${type}) OVER w`,
  );
  const grows = `coalesce(ROW(${names.join(', ')}) ${operator(column, '>')} ROW(${before.join(', ')}), true)`;
  const read = storedRowReader(column);
  const rows: StoredRow[] = [];
  await session.copyRows(
    `SELECT ${cells.map((_, index) => `c${index}`).join(', ')}, grows FROM (
       SELECT *, pg_catalog.sum(size) OVER w OPERATOR(pg_catalog.-) size AS before, ${grows} AS grows FROM (
         SELECT *, ${sizeOfRow(column, cells)} AS size FROM (
           SELECT ${keyCells(column)
             .map((cell, index) => `${cell} AS k${index}`)
             .join(', ')},
                  ${named(cells).join(', ')}, ${valueSize(column)} AS value_size
             FROM ${column.ownRows} t WHERE ${spanCondition(column, span)}
            ORDER BY ${keyCells(column).join(', ')} LIMIT ${limits.rows}) batch) measured
       WINDOW w AS (ORDER BY ${names.join(', ')} ROWS UNBOUNDED PRECEDING)) sized
      WHERE before OPERATOR(pg_catalog.<) ${limits.bytes}`,
    (row) => {
      if (!row.isTrue(cells.length)) throw outOfOrder(column);
      rows.push(read(row));
    },
  );
  return rows;
}

/** `keysRead`: how many keys the limits let through, those of rows that are gone included. */
export async function readRows(
  session: Connection,
  column: Column,
  keys: readonly (readonly string[])[],
  limits: BatchLimits,
): Promise<{ readonly rows: readonly StoredRow[]; readonly keysRead: number }> {
  const asked = keys.slice(0, limits.rows);
  const { names, match } = keyTable(column, asked, 1);
  const columns = names.map(
    (_, index) => `pg_catalog.unnest(ARRAY[${asked.map((key) => literal(key[index])).join(', ')}])`,
  );
  const cells = rowExpressions(column);
  const text = `SELECT ${cells.map((_, index) => `c${index}`).join(', ')}, n OPERATOR(pg_catalog.=) last, n::pg_catalog.text FROM (
       SELECT *, pg_catalog.max(n) OVER () AS last,
              pg_catalog.sum(size) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) OPERATOR(pg_catalog.-) size AS before FROM (
         SELECT *, ${sizeOfRow(column, cells)} AS size FROM (
           SELECT u.n, ${named(cells).join(', ')}, ${valueSize(column)} AS value_size
             FROM ROWS FROM (${columns.join(', ')}) WITH ORDINALITY AS u(${names.join(', ')}, n)
             JOIN ${column.ownRows} t ON ${match}) found) measured) sized
      WHERE before OPERATOR(pg_catalog.<) ${limits.bytes} ORDER BY sized.n`;
  const read = storedRowReader(column);
  const rows: StoredRow[] = [];
  let keysRead = asked.length;
  await session.without(OTHER_JOINS, () =>
    session.copyRows(text, (row) => {
      keysRead = row.isTrue(cells.length) ? asked.length : Number(row.text(cells.length + 1));
      rows.push(read(row));
    }),
  );
  return { rows, keysRead };
}

/** The key so many rows after the span's start; `undefined` where there are fewer. */
export async function keyAhead(
  session: Connection,
  column: Column,
  span: KeySpan,
  rows: number,
): Promise<readonly string[] | undefined> {
  const names = keyCells(column);
  const [found] = await session.rows(
    `SELECT ${names.map((name) => `${name}::pg_catalog.text`).join(', ')} FROM ${column.ownRows} t
      WHERE ${spanCondition(column, span)}
      ORDER BY ${names.join(', ')} OFFSET ${rows - 1} LIMIT 1`,
  );
  return found?.map((value) => value ?? '');
}

/** Statistics of a table that was just filled, or of a long array, talk the planner into reading all of the table. */
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
      .map(({ type }, index) => `${keyCells(column)[index]} ${operator(column, '=')} u.k${index}::${type}`)
      .join(' AND '),
  };
}

/** Within the caller's transaction, which ends with the error of the first text that PostgreSQL reads as no key. */
export async function readKeys(
  session: Connection,
  column: Column,
  keys: readonly (readonly string[])[],
): Promise<void> {
  const { arrays, names, values } = keyTable(column, keys, 1);
  const casts = column.key.map(({ type }, index) => `pg_catalog.count(u.k${index}::${type})`);
  await session.rows(
    `SELECT ${casts.join(', ')} FROM ROWS FROM (${arrays.map((array) => `pg_catalog.unnest(${array})`).join(', ')}) AS u(${names.join(', ')})`,
    values,
  );
}

function sizeOfRow(column: Column, cells: readonly string[]): string {
  return readSize(
    column,
    cells.map((_, index) => `c${index}`),
    'value_size',
  );
}

/** Has rows looked up through the key's index, where the transaction reads the table itself otherwise. */
const KEY_SCANS =
  'SET LOCAL enable_indexscan = on; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off';

/** Of a domain's value PostgreSQL would prefer an operator over the domain, which anyone may add. */
export function keyCells({ key }: Column): readonly string[] {
  return key.map(keyCell);
}

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
              WITH ORDINALITY AS u(${names.join(', ')}, n) JOIN ${column.ownRows} t ON ${match}`,
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

export function spanCondition(column: Column, { after, upTo, where }: KeySpan): string {
  const { key } = column;
  const columns = `ROW(${keyCells(column).join(', ')})`;
  const bound = (sign: string, of: readonly string[] | undefined) => {
    if (of === undefined) return [];
    const values = key.map(({ type }, index) => `${literal(of[index])}::${type}`);
    return [`${columns} ${operator(column, sign)} ROW(${values.join(', ')})`];
  };
  const conditions = [...bound('>', after), ...bound('<=', upTo), ...(where === undefined ? [] : [where])];
  return conditions.length === 0 ? 'true' : conditions.join(' AND ');
}

/** A text in SQL. COPY takes no parameters. */
export function literal(text: string | undefined): string {
  return text === undefined ? 'NULL::pg_catalog.text' : `${pg.escapeLiteral(text)}::pg_catalog.text`;
}

function named(expressions: readonly string[]): readonly string[] {
  return expressions.map((expression, index) => `${expression} AS c${index}`);
}
