import { byteaArray, textArray } from '../connection/binary-array.ts';
import { columnName, type Column } from '../catalog/column.ts';
import type { Cells, Connection, Parameter } from '../connection/database.ts';
import { KeyRotationError } from '../../format/error.ts';
import { isOfRow, isOutOfDate, isShortInFunction, type DatabaseFailure } from '../connection/database-error.ts';
import { quoted } from '../connection/database.ts';
import { keyTable, OTHER_JOINS } from '../read-rows.ts';
import { sentValue } from '../row-reader.ts';
import { rowOf } from '../stored-value.ts';

/** Compares texts by their bytes, whatever collation a column has. */
const SAME_BYTES = 'COLLATE pg_catalog."C" OPERATOR(pg_catalog.=)';

/** The reason in place of an SQLSTATE where a trigger of the table left a row as it is. */
const NOT_UPDATED = 'NOT_UPDATED';

/** A row to be changed, if it still holds what was read. */
export interface RowChange {
  readonly key: readonly string[];
  readonly stored: string | Uint8Array;
  readonly watched: readonly string[];
  readonly sealed: Uint8Array;
  /** The member of a jsonb object that alone is replaced. */
  readonly member?: string | undefined;
}

export interface Written {
  readonly written: number;
  /** Changed or locked by another transaction meanwhile, or gone: to be looked at again. */
  readonly lost: readonly RowChange[];
  /** The database would not take the new value; with the name of its reason. */
  readonly refused: readonly { readonly change: RowChange; readonly reason: string }[];
}

/**
 * Writes the rows that still hold the value that was read, in the same context, in one statement. A row that the
 * application changed, or
 * holds a lock on, is left to it: nothing is ever waited for while rows are locked here, so that the application can
 * neither lose a value nor be the victim of a deadlock with us.
 *
 * Runs within the caller's transaction. Throws `DATABASE_REFUSED` where the database takes one of the values not.
 */
export async function writeRows(session: Connection, column: Column, changes: readonly RowChange[]): Promise<Written> {
  if (changes.length === 0) return { written: 0, lost: [], refused: [] };
  const isBytes = column.storage === 'bytea';
  const isSentAsBytes = isBytes || column.server !== undefined;
  const key = keyTable(
    column,
    changes.map((change) => change.key),
    3,
  );
  const array = isBytes ? 'pg_catalog.bytea[]' : 'pg_catalog.text[]';
  const old = isSentAsBytes
    ? byteaArray(changes.map(({ stored }) => storedBytes(stored, column)))
    : textArray(changes.map(({ stored }) => stored));
  const sealed = changes.map((change) => change.sealed);
  const next = isBytes ? byteaArray(sealed) : textArray(sealed);
  const watched = column.watched.map((name, index) => ({
    name: `w${index}`,
    array: `$${3 + column.key.length + index}::pg_catalog.text[]`,
    value: textArray(changes.map((change) => change.watched[index] ?? '')),
    isSame: `t.${quoted(name)}::pg_catalog.text ${SAME_BYTES} u.w${index}`,
  }));
  const values = [old, next, ...key.values, ...watched.map((one) => one.value)];
  const arrays = [
    `$1::pg_catalog.${isSentAsBytes ? 'bytea' : 'text'}[]`,
    `$2::${array}`,
    ...key.arrays,
    ...watched.map((one) => one.array),
  ];
  const names = ['old', 'next', ...key.names, ...watched.map((one) => one.name)];
  const isJson = column.storage === 'jsonb';
  const looks = column.triggers.length > 0 || mayChangeItself(column);
  if (isJson) {
    values.push(textArray(changes.map(({ member }) => (member === undefined ? '' : `.${member}`))));
    arrays.push(`$${values.length}::pg_catalog.text[]`);
    names.push('member');
  }
  const mine = `mine AS MATERIALIZED (
       SELECT t.tableoid AS part, t.ctid AS place, u.next, u.n${isJson ? ', u.member' : ''}${looks ? `, ${otherContexts(column)} AS others` : ''}
         FROM ROWS FROM (${arrays.map((one) => `pg_catalog.unnest(${one})`).join(', ')})
              WITH ORDINALITY AS u(${names.join(', ')}, n)
         JOIN ${column.ownRows} t ON ${key.match}
        WHERE ${[sameValue(column), ...watched.map((one) => one.isSame)].join(' AND ')}
          FOR ${column.lock} OF t SKIP LOCKED)`;
  const update = `UPDATE ${column.ownRows} t SET ${column.column} = ${isJson ? jsonValue(column) : 'mine.next'}
       FROM mine WHERE t.tableoid OPERATOR(pg_catalog.=) mine.part AND t.ctid OPERATOR(pg_catalog.=) mine.place
     RETURNING mine.n, ${looks ? isAsSealed(column, 'mine') : 'true'} AS sealed`;
  // A trigger may also leave a row as it is: it was locked, and comes back without a value.
  const text = looks
    ? `WITH ${mine}, done AS (${update})
       SELECT mine.n, done.sealed, done.n IS NULL, mine.others FROM mine LEFT JOIN done ON done.n OPERATOR(pg_catalog.=) mine.n`
    : `WITH ${mine} ${update}`;
  // Code of the table runs with the rights of this user, who has decided so where triggers are known.
  const rows = await session.underOwnPath(() => session.rowsByPlan(text, values), looks, OTHER_JOINS);
  const [kept, done] = [rows.filter(([, , isKept]) => isKept === 't'), rows.filter(([, , isKept]) => isKept !== 't')];
  let altered = done.filter(([, isSealed]) => isSealed !== 't').length;
  if (looks && altered === 0 && done.length > 0) {
    const sent = `ROWS FROM (${arrays.map((one) => `pg_catalog.unnest(${one})`).join(', ')})
         WITH ORDINALITY AS u(${names.join(', ')}, n)`;
    const isSame = [key.match, ...watched.map((one) => one.isSame)].join(' AND ');
    altered = await rowsThatOpenNoMore(session, column, { sent, values, isSame }, done);
  }
  if (altered > 0) throw alteredRows(column, altered);
  if (done.length === changes.length) return { written: done.length, lost: [], refused: [] };
  const [found, left] = [rows, kept].map((some) => new Set(some.map(([n]) => Number(n))));
  return {
    written: done.length,
    lost: changes.filter((_, index) => found?.has(index + 1) !== true),
    refused: changes.flatMap((change, index) =>
      left?.has(index + 1) === true ? [{ change, reason: NOT_UPDATED }] : [],
    ),
  };
}

/**
 * A trigger may change the row after the update as well, and a trigger or an expression a column of a context, in which a value
 * of the row was sealed. A row with its former ciphertext still opens: the final check finds it.
 */
async function rowsThatOpenNoMore(
  session: Connection,
  column: Column,
  { sent, values, isSame }: { readonly sent: string; readonly values: readonly Parameter[]; readonly isSame: string },
  done: readonly Cells[],
): Promise<number> {
  const at = values.length;
  const look = `SELECT FROM ${sent}
         JOIN ROWS FROM (pg_catalog.unnest($${at + 1}::pg_catalog.int8[]), pg_catalog.unnest($${at + 2}::pg_catalog.text[]))
              AS done(n, others) ON done.n OPERATOR(pg_catalog.=) u.n
       WHERE NOT EXISTS (SELECT FROM ${column.ownRows} t WHERE ${isSame}
                            AND (${isAsSealed(column, 'u')} OR ${sameValue(column)})
                            AND ${otherContexts(column)} OPERATOR(pg_catalog.=) done.others)`;
  const numbers = `{${done.map(([n]) => n).join(',')}}`;
  const others = textArray(done.map(([, , , one]) => one ?? ''));
  return (await session.without(OTHER_JOINS, () => session.rows(look, [...values, numbers, others]))).length;
}

/**
 * Finds by halving the rows that the database refuses, or that move to another partition, and writes the others. Throws
 * what a function lacked for every row that it ran for: the server may lack it.
 */
export async function writeAcceptedRows(
  session: Connection,
  column: Column,
  changes: readonly RowChange[],
): Promise<Written> {
  let short: DatabaseFailure | undefined;
  const write = async (part: readonly RowChange[]): Promise<Written> => {
    await session.change('SAVEPOINT part');
    try {
      const written = await writeRows(session, column, part);
      await session.change('RELEASE SAVEPOINT part');
      return written;
    } catch (error) {
      const isShort = isShortInFunction(error);
      if (!isOfRow(error) && !isShort && !isOutOfDate(error)) throw error;
      await session.change('ROLLBACK TO SAVEPOINT part');
      await session.change('RELEASE SAVEPOINT part');
      const [change] = part;
      if (change !== undefined && part.length === 1) {
        if (isShort) short = error;
        else if (!isOfRow(error)) return { written: 0, lost: [change], refused: [] };
        return { written: 0, lost: [], refused: [{ change, reason: error.constraint ?? error.state ?? 'refused' }] };
      }
      const middle = Math.ceil(part.length / 2);
      const first = await write(part.slice(0, middle));
      const second = await write(part.slice(middle));
      return {
        written: first.written + second.written,
        lost: [...first.lost, ...second.lost],
        refused: [...first.refused, ...second.refused],
      };
    }
  };
  const written = await write(changes);
  if (short !== undefined && written.written === 0) throw short;
  return written;
}

/** The whole new value, or the old one with the member replaced, whose name follows a dot. */
function jsonValue({ column }: Column): string {
  const next = 'mine.next::pg_catalog.jsonb';
  const name = 'pg_catalog.substr(mine.member, 2)';
  return (
    `CASE WHEN pg_catalog.length(mine.member) OPERATOR(pg_catalog.=) 0 THEN ${next} ` +
    `ELSE pg_catalog.jsonb_set(t.${column}, ARRAY[${name}], ${next}) END`
  );
}

/** Whether the row `t` has the new ciphertext, which is in the table `sealed`. */
function isAsSealed({ storage, column }: Column, sealed: 'mine' | 'u'): string {
  const next = `${sealed}.next`;
  if (storage === 'bytea') return `t.${column} OPERATOR(pg_catalog.=) ${next}`;
  if (storage === 'text') return `t.${column}::pg_catalog.text ${SAME_BYTES} ${next}`;
  const [value, json] = [`t.${column}::pg_catalog.jsonb`, `${next}::pg_catalog.jsonb`];
  return (
    `CASE WHEN pg_catalog.length(${sealed}.member) OPERATOR(pg_catalog.=) 0 THEN ${value} OPERATOR(pg_catalog.=) ${json} ` +
    `ELSE (${value} OPERATOR(pg_catalog.->) pg_catalog.substr(${sealed}.member, 2)) OPERATOR(pg_catalog.=) ${json} END`
  );
}

/** What the row `t` gives to the contexts of other listed columns, in short: a text of their hashes. */
function otherContexts({ otherContexts: names }: Column): string {
  const hashes = names.map(
    (name) => `pg_catalog.hashtextextended(t.${quoted(name)}::pg_catalog.text COLLATE pg_catalog."C", 0)`,
  );
  return `ARRAY[${hashes.join(', ')}]::pg_catalog.int8[]::pg_catalog.text COLLATE pg_catalog."C"`;
}

/** Whether a key or a context has a column that is generated from the new value: of jsonb, perhaps from another member. */
function mayChangeItself({ derived, key, watched, otherContexts: others }: Column): boolean {
  const named = [...key.map(({ name }) => name), ...watched, ...others];
  return derived.some((name) => named.includes(name));
}

function alteredRows(column: Column, rows: number): KeyRotationError {
  const { derived, triggers } = column;
  const causes = [
    ...triggers.map(({ name, does }) => `${name} (${does})`),
    ...derived.map((name) => `${name} (generated from ${columnName(column)})`),
  ];
  const advice =
    triggers.length > 0
      ? 'Choose --triggers skip, or have their owner leave these columns as they are.'
      : 'Have the application write them in a context of columns that stay, and move the rows there (--to-context).';
  return new KeyRotationError(
    'DATABASE_REFUSED',
    `A trigger, a rule or a generated column changed ${rows} rows of ${columnName(column)} so that no key would open them any more: their new ` +
      `ciphertext${named(', or a column of the context', column.watched)}` +
      `${named(', or one of the context of another listed column', column.otherContexts)}: ` +
      `${causes.join('; ')}. These rows keep their old value. ${advice}`,
  );
}

function named(what: string, names: readonly string[]): string {
  return names.length === 0 ? '' : `${what} (${names.join(', ')})`;
}

function storedBytes(stored: string | Uint8Array, { storage }: Column): Uint8Array {
  return typeof stored === 'string' && storage !== 'bytea' ? Buffer.from(stored, 'latin1') : rowOf(stored, 'bytea');
}

/** By the bytes of it, whatever the column's collation or numbers of JSON take for equal. */
function sameValue(column: Column): string {
  const isText = column.storage !== 'bytea' && column.server === undefined;
  return `${sentValue(column)} ${isText ? SAME_BYTES : 'OPERATOR(pg_catalog.=)'} u.old`;
}
