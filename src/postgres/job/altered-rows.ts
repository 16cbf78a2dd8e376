import { textArray } from '../connection/binary-array.ts';
import { columnName, listedMember, type Column, type OtherValue } from '../catalog/column.ts';
import { OTHER_CONTEXT, OTHER_KEY } from '../catalog/steady-contexts.ts';
import { quoted, type Connection, type Parameter } from '../connection/database.ts';
import { KeyRotationError } from '../../format/error.ts';
import { literal, OTHER_JOINS } from '../read-rows.ts';
import { sentValue } from '../row-reader.ts';

/** Compares texts by their bytes, whatever collation a column has. */
export const SAME_BYTES = 'COLLATE pg_catalog."C" OPERATOR(pg_catalog.=)';

/** Rows as they were sent to be written, as a table `u` of SQL with the columns `old`, `next` and `n`, their number. */
export interface SentRows {
  readonly arrays: readonly string[];
  readonly names: readonly string[];
  readonly values: readonly Parameter[];
  /** Whether the row `t` has the key of `u` and gives the same to its context. */
  readonly isSame: string;
}

/** A row that was locked for its update. */
export interface LockedRow {
  readonly n: number;
  /** What it gave to `others` before the update. */
  readonly others: string;
  /** Whether the update passed it by: a trigger kept it from it. */
  readonly isKept: boolean;
}

export function sentTable({ arrays, names }: Pick<SentRows, 'arrays' | 'names'>): string {
  return `ROWS FROM (${arrays.map((one) => `pg_catalog.unnest(${one})`).join(', ')}) WITH ORDINALITY AS u(${names.join(', ')}, n)`;
}

/** Whether an update may change more than the value: by a trigger, a rule or a generated column. */
export function mayAlter(column: Column): boolean {
  return column.triggers.length > 0 || madeAgain(column).length > 0;
}

/** Generated columns in the key or in a context. Of jsonb, one that is made of the value may be made of another member. */
function madeAgain({ derived, computed, key, watched, otherContexts }: Column): readonly string[] {
  const named = new Set([...key.map(({ name }) => name), ...watched, ...otherContexts]);
  return [...new Set([...derived, ...computed])].filter((name) => named.has(name));
}

/**
 * The numbers of the rows that a trigger or an expression has changed so that a ciphertext would be lost. A trigger may change
 * the row after the update as well, and a trigger or an expression a column of a context in which a value of the row was
 * sealed. A row with its former ciphertext still opens: the final check finds it. One that the update passed by must have it.
 */
export async function alteredRows(
  session: Connection,
  column: Column,
  sent: SentRows,
  locked: readonly LockedRow[],
): Promise<ReadonlySet<number>> {
  const rows = new Map(locked.map((row) => [row.n, row]));
  const places = Array.from({ length: Math.max(...rows.keys()) }, (_, index) => rows.get(index + 1));
  const at = sent.values.length;
  const from = sentTable({
    arrays: [...sent.arrays, ...[1, 2].map((one) => `$${at + one}::pg_catalog.text[]`)],
    names: [...sent.names, 'others', 'state'],
  });
  const look = `SELECT u.n FROM ${from}
       WHERE u.state OPERATOR(pg_catalog.<>) ''
         AND NOT EXISTS (SELECT FROM ${column.ownRows} t WHERE ${sent.isSame}
                            AND (${sameValue(column)} OR (u.state OPERATOR(pg_catalog.=) 'done' AND ${isAsSealed(column, 'u')}))
                            AND ${others(column)} OPERATOR(pg_catalog.=) u.others)`;
  const states = places.map((row) => (row === undefined ? '' : row.isKept ? 'kept' : 'done'));
  const values = [...sent.values, textArray(places.map((row) => row?.others ?? '')), textArray(states)];
  const found = await session.without(OTHER_JOINS, () => session.rows(look, values));
  return new Set(found.map(([n]) => Number(n)));
}

/** By the bytes of it, whatever the column's collation or numbers of JSON take for equal. */
export function sameValue(column: Column): string {
  const isText = column.storage !== 'bytea' && column.server === undefined;
  return `${sentValue(column)} ${isText ? SAME_BYTES : 'OPERATOR(pg_catalog.=)'} u.old`;
}

/** Whether the row `t` has the new ciphertext, which is in the table `sealed`. */
export function isAsSealed({ storage, column }: Column, sealed: 'mine' | 'u'): string {
  const next = `${sealed}.next`;
  if (storage === 'bytea') return `t.${column} OPERATOR(pg_catalog.=) ${next}`;
  if (storage === 'text') return `t.${column}::pg_catalog.text ${SAME_BYTES} ${next}`;
  const [value, json] = [`t.${column}::pg_catalog.jsonb`, `${next}::pg_catalog.jsonb`];
  return (
    `CASE WHEN pg_catalog.length(${sealed}.member) OPERATOR(pg_catalog.=) 0 THEN ${value} OPERATOR(pg_catalog.=) ${json} ` +
    `ELSE (${value} OPERATOR(pg_catalog.->) pg_catalog.substr(${sealed}.member, 2)) OPERATOR(pg_catalog.=) ${json} END`
  );
}

/** The other listed values of the row `t`, and what it gives to their contexts, in short: a text of their hashes. */
export function others(column: Column): string {
  const contexts = column.otherContexts.map((name) => hash(`t.${quoted(name)}::pg_catalog.text`));
  const hashes = [...contexts, ...column.otherValues.map((other) => hash(otherValue(column, other)))];
  return `ARRAY[${hashes.join(', ')}]::pg_catalog.int8[]::pg_catalog.text COLLATE pg_catalog."C"`;
}

function hash(text: string): string {
  return `pg_catalog.hashtextextended((${text}) COLLATE pg_catalog."C", 0)`;
}

/** Of an object the listed member, as a trigger may change others. The value of this column itself is replaced. */
function otherValue(column: Column, other: OtherValue): string {
  if (other.storage === 'bytea') return `pg_catalog.encode(pg_catalog.sha256(t.${other.column}), 'hex')`;
  if (other.storage === 'text') return `t.${other.column}::pg_catalog.text`;
  const value = `t.${other.column}::pg_catalog.jsonb`;
  const member = `(${value} OPERATOR(pg_catalog.->) ${literal(listedMember(other))})`;
  return `${other.column === column.column ? member : `coalesce(${member}, ${value})`}::pg_catalog.text`;
}

const COMPUTED = 'a generated column, which was computed again';

export function alteredError(column: Column, rows: number): KeyRotationError {
  const { key, derived, triggers, watched, otherContexts, otherValues } = column;
  const made = madeAgain(column);
  const keyNames = key.map(({ name }) => name);
  const causes = [
    ...triggers.map(({ name, does }) => `${name} (${does})`),
    ...made.map((name) => `${name} (${derived.includes(name) ? `generated from ${columnName(column)}` : COMPUTED})`),
  ];
  const advice = [
    ...(triggers.length === 0 ? [] : ['Choose --triggers skip, or have their owner leave these columns as they are.']),
    ...(made.some((name) => keyNames.includes(name)) ? [OTHER_KEY] : []),
    ...(made.some((name) => watched.includes(name) || otherContexts.includes(name)) ? [OTHER_CONTEXT] : []),
  ].join(' ');
  const places = [
    { what: "a column of the row's key", names: keyNames },
    { what: 'a column of the context', names: watched },
    { what: 'one of the context of another listed column', names: otherContexts },
    { what: 'another listed column', names: otherValues.map(columnName) },
  ].flatMap(({ what, names }) => (names.length === 0 ? [] : [`, or ${what} (${names.join(', ')})`]));
  return new KeyRotationError(
    'DATABASE_REFUSED',
    `A trigger, a rule or a generated column changed ${rows} rows of ${columnName(column)} so that a ciphertext would be lost, or opened by ` +
      `no key: the new one${places.join('')}: ${causes.join('; ')}. These rows keep their old value. ${advice}`,
  );
}
