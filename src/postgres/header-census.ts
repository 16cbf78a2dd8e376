import type { NamedColumn } from './catalog/column-name.ts';
import { readVarint } from '../format/varint.ts';
import { listedMember, namedColumn, type Column, type ColumnSpec } from './catalog/column.ts';
import { requireChildren } from './catalog/child-tables.ts';
import { requireOwnCode } from './catalog/foreign-code.ts';
import { requireOnlyTables, requireSameTables } from './catalog/table-locks.ts';
import { EVERY_ROW, namingDamage } from './damaged-rows.ts';
import { Connection, type DatabaseAddress } from './connection/database.ts';
import { READING } from './shared-snapshot.ts';
import { withColumns } from './catalog/look-up-column.ts';

/** An estimate: a row of older data looks like each number once in 256. It never satisfies a retire. */
export interface HeaderCensus extends NamedColumn {
  /** As the operator named it. */
  readonly table: string;
  readonly rows: number;
  readonly nulls: number;
  readonly looksLike: Readonly<Record<number, number>>;
  /** Rows that begin like none: older data, or no ciphertext. */
  readonly other: number;
}

const BASE64_CHARACTERS = 3;
const BASE64_HEAD = '^[A-Za-z0-9+/]{3}$';

/** Counts rows by their first bytes, within the database. Rejects as `census` does. */
export function headerCensus(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
): Promise<readonly HeaderCensus[]> {
  const count = async (session: Connection, columns: readonly Column[]) => {
    await requireChildren(session, columns);
    const counts: HeaderCensus[] = [];
    await Connection.during(database, async (watch) => {
      for (const column of columns) {
        await requireOwnCode(watch, column.tableId, column.spec);
        counts.push(await countHeaders(session, column));
        await requireOwnCode(watch, column.tableId, column.spec);
      }
      await requireOnlyTables(watch, [session], columns);
      await requireSameTables(watch, columns);
    });
    return counts;
  };
  return withColumns(database, specs, count, READING);
}

export async function countHeaders(session: Connection, column: Column): Promise<HeaderCensus> {
  const looksLike = new Map<number, number>();
  let rows = 0;
  let nulls = 0;
  let other = 0;
  const count = `SELECT ${headOf(column)}, pg_catalog.count(*) FROM ${column.ownRows} t GROUP BY 1`;
  const values = column.storage === 'jsonb' ? [listedMember(column)] : [];
  const counted = await namingDamage(session, column, EVERY_ROW, () => session.rows(count, values));
  for (const [head, count] of counted) {
    const found = Number(count);
    rows += found;
    const number = head == null ? undefined : numberOf(head, column);
    if (head === null) nulls += found;
    else if (number === undefined) other += found;
    else looksLike.set(number, (looksLike.get(number) ?? 0) + found);
  }
  const named = { table: column.spec.table, ...namedColumn(column) };
  return { ...named, rows, nulls, looksLike: Object.fromEntries(looksLike), other };
}

/** The first two bytes, as far as they matter: groups stay few where the first says it all. `$1`: the member of an object. */
function headOf({ storage, column }: Column): string {
  const value = `t.${column}`;
  if (storage === 'bytea') {
    const first = `pg_catalog.get_byte(${value} OPERATOR(pg_catalog.||) '\\x00'::pg_catalog.bytea, 0)`;
    return `pg_catalog.substring(${value}, 1, CASE WHEN ${first} OPERATOR(pg_catalog.<) 128 THEN 1 ELSE 2 END)`;
  }
  const isOfType = (type: string) => `pg_catalog.jsonb_typeof(${value}) OPERATOR(pg_catalog.=) '${type}'`;
  const text =
    storage === 'text'
      ? value
      : `CASE WHEN ${isOfType('string')} THEN ${value} OPERATOR(pg_catalog.#>>) '{}'::pg_catalog.text[]
              WHEN ${isOfType('object')} THEN coalesce(${value} OPERATOR(pg_catalog.->>) $1::pg_catalog.text, '{')
              WHEN ${value} IS NOT NULL THEN '{' END`;
  // Other characters may have no form in UTF-8, which is what is sent.
  const head = `pg_catalog.left(${text}, ${BASE64_CHARACTERS}) COLLATE pg_catalog."C"`;
  return `CASE WHEN ${head} OPERATOR(pg_catalog.~) '${BASE64_HEAD}' THEN ${head} WHEN ${text} IS NOT NULL THEN '' END`;
}

function numberOf(head: string, { storage }: Column): number | undefined {
  if (storage === 'bytea') return readVarint(Buffer.from(head.slice(2), 'hex'));
  return head !== '' ? readVarint(Buffer.from(`${head}A`, 'base64')) : undefined;
}
