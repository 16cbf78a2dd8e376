import { KeyRotationError } from '../../format/error.ts';
import { contextOf, type ContextTemplate } from '../../format/context-template.ts';
import { requireOwnCode } from '../catalog/foreign-code.ts';
import { lockOf, requireSameName } from '../catalog/look-up-table.ts';
import { replaced, requireOnlyTables } from '../catalog/table-locks.ts';
import { quoted, type Connection } from '../connection/database.ts';
import { tree, type Candidate } from './candidates.ts';

/** Values of a column that are looked at, from pages all over its table. */
const SAMPLE = 1000;
const SAMPLED_PAGES = 400;

/** Of a larger table, values from its beginning as well, and the rows that are read for them. */
const FIRST_VALUES = 200;
const FIRST_ROWS = 5000;

/** Bytes of a value that are looked at. A jsonb of more is passed over, since no part of it is JSON. */
const MOST_BYTES = 65_536;

/** A value as PostgreSQL spells it, and the contexts that it is tried in. */
export interface SampledValue {
  readonly text: string;
  readonly contexts: readonly string[];
}

/**
 * The text of a value `v`. Output functions are made by superusers alone, and a cast to text may be anyone's. A composite
 * value with a field that is NULL is neither NULL nor NOT NULL in SQL.
 */
const WHOLE = (text: string) =>
  `CASE WHEN pg_catalog.octet_length(${text}) OPERATOR(pg_catalog.<=) ${MOST_BYTES} THEN ${text} END`;
const START = `pg_catalog.substring(v, 1, ${MOST_BYTES})`;
const VALUES: Readonly<Record<Candidate['storage'], string>> = {
  bytea: START,
  text: START,
  jsonb: WHOLE('v::pg_catalog.text'),
  other: WHOLE("pg_catalog.format('%s', v)"),
};

/** Pages of a table with its partitions, as they are now: statistics may be missing. */
const PAGES = `
  SELECT sum(pg_relation_size(id)) / current_setting('block_size')::int8,
         (SELECT relkind = 'r' FROM pg_class WHERE oid = $1::oid),
         ${tree('$1::oid')}
    FROM (SELECT $1::oid AS id UNION SELECT relid FROM pg_partition_tree($1::oid::regclass)) tree`;

const COLUMN_NUMBER = 'SELECT attnum FROM pg_attribute WHERE attrelid = $1::oid AND attname = $2 AND NOT attisdropped';

const NAMES = 'SELECT attname FROM pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped';

/** Values of a column, and each with the contexts of `all` that its row may be in. */
export async function sampleOf(
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
      if (locks.length === 0 && !session.refusesViews) throw notLocked(table);
      await requireSameName(session, tableId, table);
      await requireOwnCode(session, tableId, { table, column });
      const names = new Set((await session.rows(NAMES, [tableId])).map(([name]) => name));
      const templates = all.filter(({ columns }) => columns.every((name) => names.has(name)));
      const inContexts = [...new Set(templates.flatMap(({ columns }) => columns))];
      const [size] = await session.rows(PAGES, [tableId]);
      const pages = Number(size?.[0] ?? 0);
      // A child by inheritance is a table of its own.
      const from = `${size?.[1] === 't' ? 'ONLY ' : ''}${table} t`;
      const value = VALUES[storage];
      const read = [
        `t.${quoted(column)} AS v`,
        ...inContexts.map((name, at) => `t.${quoted(name)}::pg_catalog.text AS c${at}`),
      ];
      const sample = (rows: string, most: number) =>
        session.rows(
          `SELECT ${[value, ...inContexts.map((_, at) => `c${at}`)].join(', ')}
             FROM (SELECT * FROM (SELECT ${read.join(', ')} FROM ${rows}) r WHERE NOT (v IS NULL) LIMIT ${most}) s`,
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

/** A materialized view cannot be locked by a statement, and another relation may take its name before it is read. */
function notLocked(table: string): KeyRotationError {
  return new KeyRotationError(
    'DATABASE_REFUSED',
    `${table} cannot be locked while it is looked at, and this version of PostgreSQL cannot refuse a view in its place.`,
  );
}
