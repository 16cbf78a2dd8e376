import { byteaArray, textArray } from '../connection/binary-array.ts';
import type { Column } from '../catalog/column.ts';
import { quoted, type Connection } from '../connection/database.ts';
import {
  DatabaseFailure,
  isOfRow,
  isOutOfDate,
  isShortInFunction,
  isWorthAnotherTry,
} from '../connection/database-error.ts';
import { keyTable, OTHER_JOINS } from '../read-rows.ts';
import { rowOf } from '../stored-value.ts';
import {
  alteredError,
  alteredRows,
  isAsSealed,
  mayAlter,
  others,
  SAME_BYTES,
  sameValue,
  sentTable,
  type LockedRow,
  type SentRows,
} from './altered-rows.ts';

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
 * application changed, or holds a lock on, is left to it: nothing is ever waited for while rows are locked here, so that
 * the application can neither lose a value nor be the victim of a deadlock with us.
 *
 * Runs within the caller's transaction. Throws `DATABASE_REFUSED` where the database takes one of the values not.
 */
export async function writeRows(session: Connection, column: Column, changes: readonly RowChange[]): Promise<Written> {
  if (changes.length === 0) return { written: 0, lost: [], refused: [] };
  const sent = sentRows(column, changes);
  const isJson = column.storage === 'jsonb';
  const looks = mayAlter(column);
  const mine = `mine AS MATERIALIZED (
       SELECT t.tableoid AS part, t.ctid AS place, u.next, u.n${isJson ? ', u.member' : ''}${looks ? `, ${others(column)} AS others` : ''}
         FROM ${sentTable(sent)} JOIN ${column.ownRows} t ON ${sent.isSame}
        WHERE ${sameValue(column)}
          FOR ${column.lock} OF t SKIP LOCKED)`;
  const isMine = 't.tableoid OPERATOR(pg_catalog.=) mine.part AND t.ctid OPERATOR(pg_catalog.=) mine.place';
  // All rows are compared before a trigger of the first may change the settings that spell values.
  const first = looks ? ' AND (SELECT pg_catalog.count(*) FROM mine) OPERATOR(pg_catalog.>) 0' : '';
  const update = `UPDATE ${column.ownRows} t SET ${column.column} = ${isJson ? jsonValue(column) : 'mine.next'}
       FROM mine WHERE ${isMine}${first}
     RETURNING mine.n, ${looks ? `mine.others, ${isAsSealed(column, 'mine')}` : 'NULL, true'} AS sealed`;
  // A trigger may leave a row as it is: it is among `mine` alone, and this statement sees the version that it has locked.
  const text = looks
    ? `WITH ${mine}, done AS (${update})
       SELECT n, others, sealed FROM done
        UNION ALL SELECT mine.n, mine.others, NULL FROM mine JOIN ${column.ownRows} t ON ${isMine}`
    : `WITH ${mine} ${update}`;
  // Code of the table runs with the rights of this user, who has decided so where triggers are known.
  const rows = await session.underOwnPath(() => session.rowsByPlan(text, sent.values), looks, OTHER_JOINS);
  const done = rows.filter(([, , isSealed]) => isSealed != null);
  const altered = done.filter(([, , isSealed]) => isSealed !== 't').length;
  if (altered > 0) throw alteredError(column, altered);
  const written = new Set(done.map(([n]) => Number(n)));
  const locked = new Map<number, LockedRow>();
  for (const [number, before] of looks ? rows : []) {
    const n = Number(number);
    locked.set(n, { n, others: before ?? '', isKept: !written.has(n) });
  }
  await requireUnaltered(session, column, sent, locked);
  const isLost = (n: number) => !written.has(n) && !locked.has(n);
  return {
    written: written.size,
    lost: changes.filter((_, index) => isLost(index + 1)),
    refused: changes.flatMap((change, index) =>
      locked.get(index + 1)?.isKept === true ? [{ change, reason: NOT_UPDATED }] : [],
    ),
  };
}

/**
 * Throws `DATABASE_REFUSED`: as for a row that the database refuses where a trigger kept it from its update, and did
 * something else with it.
 */
async function requireUnaltered(
  session: Connection,
  column: Column,
  sent: SentRows,
  locked: ReadonlyMap<number, LockedRow>,
): Promise<void> {
  if (locked.size === 0) return;
  const altered = await alteredRows(session, column, sent, [...locked.values()]);
  const written = [...altered].filter((n) => locked.get(n)?.isKept !== true).length;
  if (written > 0) throw alteredError(column, written);
  if (altered.size > 0) throw new DatabaseFailure('DATABASE_REFUSED', 'A trigger changed rows instead', NOT_UPDATED);
}

/** The rows as parameters of a statement. */
function sentRows(column: Column, changes: readonly RowChange[]): SentRows {
  const isBytes = column.storage === 'bytea';
  const isSentAsBytes = isBytes || column.server !== undefined;
  const old = isSentAsBytes
    ? byteaArray(changes.map(({ stored }) => storedBytes(stored, column)))
    : textArray(changes.map(({ stored }) => stored));
  const sealed = changes.map((change) => change.sealed);
  const key = keyTable(
    column,
    changes.map((change) => change.key),
    3,
  );
  const watched = column.watched.map((name, index) => ({
    name: `w${index}`,
    value: textArray(changes.map((change) => change.watched[index] ?? '')),
    isSame: `t.${quoted(name)}::pg_catalog.text ${SAME_BYTES} u.w${index}`,
  }));
  const members =
    column.storage === 'jsonb'
      ? [textArray(changes.map(({ member }) => (member === undefined ? '' : `.${member}`)))]
      : [];
  const texts = [...watched.map(({ value }) => value), ...members];
  return {
    arrays: [
      `$1::pg_catalog.${isSentAsBytes ? 'bytea' : 'text'}[]`,
      `$2::pg_catalog.${isBytes ? 'bytea' : 'text'}[]`,
      ...key.arrays,
      ...texts.map((_, index) => `$${3 + column.key.length + index}::pg_catalog.text[]`),
    ],
    names: ['old', 'next', ...key.names, ...watched.map(({ name }) => name), ...members.map(() => 'member')],
    values: [old, isBytes ? byteaArray(sealed) : textArray(sealed), ...key.values, ...texts],
    isSame: [key.match, ...watched.map((one) => one.isSame)].join(' AND '),
  };
}

/**
 * Finds by halving the rows that the database refuses, that move to another partition, or whose trigger does not get a
 * lock (a deadlock, NOWAIT), and writes the others. Throws what a function lacked for every row that it ran for: the
 * server may lack it.
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
        else if (!isOfRow(error) || isWorthAnotherTry(error)) return { written: 0, lost: [change], refused: [] };
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

function storedBytes(stored: string | Uint8Array, { storage }: Column): Uint8Array {
  return typeof stored === 'string' && storage !== 'bytea' ? Buffer.from(stored, 'latin1') : rowOf(stored, 'bytea');
}
