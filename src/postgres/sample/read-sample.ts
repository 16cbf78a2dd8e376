import { KeyRotationError } from '../../format/error.ts';
import { contextOf, type ContextTemplate } from '../../format/context-template.ts';
import { requireOwnCode } from '../catalog/foreign-code.ts';
import { lockOf, requireNotRewritten, requireSameName } from '../catalog/look-up-table.ts';
import { partitionTree } from '../catalog/partition-tree.ts';
import { replaced, requireOnlyTables } from '../catalog/table-locks.ts';
import { quoted, type Connection } from '../connection/database.ts';
import { decoded, sentText, serverTextOf, storedBytes, type ServerText } from '../connection/server-text.ts';
import { joinSnapshot, READING, type SharedSnapshot } from '../shared-snapshot.ts';
import type { Candidate } from './candidates.ts';

/** Values of a column that are looked at, from pages all over its table. */
const SAMPLE = 1000;
const SAMPLED_PAGES = 400;

/** Of a larger table, values from its beginning as well, and the rows that are read for them. */
const FIRST_VALUES = 200;
const FIRST_ROWS = 5000;

export const MOST_SAMPLED = SAMPLE + FIRST_VALUES;

/** Bytes of a value that are looked at. A jsonb of more is passed over, since no part of it is JSON. */
const MOST_BYTES = 65_536;

/** Bytes of the values of a column up to which all of a text or `bytea` is looked at: a part of a ciphertext never opens. */
const WHOLE_BYTES = 16 * 1024 * 1024;

/** Bytes of values, and milliseconds, after which no further column is read in one transaction, which locks its table. */
const ENOUGH_BYTES = 4 * 1024 * 1024;
const ENOUGH_TIME = 1000;

/** Bytes of a column of a context: what an index may have is shorter. */
const MOST_CONTEXT_BYTES = 4096;

/** A value as PostgreSQL spells it (see `StoredRow` for texts that are not in UTF-8), and the contexts that it is tried in. */
export interface SampledValue {
  readonly text: string;
  readonly contexts: readonly string[];
  /** Whether a column of a context is too long in its row, so that the value is not tried in that context. */
  readonly lacksContext?: boolean;
}

/**
 * Output functions are made by superusers alone, a cast to text by anyone. A composite with a NULL field is not NOT
 * NULL.
 */
const WHOLE = (text: string) =>
  `CASE WHEN pg_catalog.octet_length(${text}) OPERATOR(pg_catalog.<=) ${MOST_BYTES} THEN ${text} END`;
const START =
  'CASE WHEN pg_catalog.sum(pg_catalog.octet_length(v)) OVER (ROWS UNBOUNDED PRECEDING) ' +
  `OPERATOR(pg_catalog.<=) ${WHOLE_BYTES} THEN v ELSE pg_catalog.substring(v, 1, ${MOST_BYTES}) END`;
const VALUES: Readonly<Record<Candidate['storage'], string>> = {
  bytea: START,
  text: START,
  // Of a large one, no text is made; a small number takes eight times as many bytes in a jsonb.
  jsonb: `CASE WHEN pg_catalog.pg_column_size(v) OPERATOR(pg_catalog.<=) ${8 * MOST_BYTES}
               THEN ${WHOLE('v::pg_catalog.text')} END`,
  other: `CASE WHEN pg_catalog.pg_column_size(v) OPERATOR(pg_catalog.<=) ${8 * MOST_BYTES}
               THEN ${WHOLE("pg_catalog.format('%s', v)")} END`,
};

/** Pages of a table with its partitions, as they are now: statistics may be missing. */
const PAGES = `
  SELECT sum(pg_relation_size(id)) / current_setting('block_size')::int8
    FROM unnest(string_to_array($1, ' ')::oid[]) id`;

const TABLE = `
  SELECT relkind = 'r', ${partitionTree('oid')},
         (SELECT json_object_agg(attname, attnum) FROM pg_attribute
           WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped)
    FROM pg_class WHERE oid = $1::oid`;

export const COLUMN_NUMBER =
  'SELECT attnum FROM pg_attribute WHERE attrelid = $1::oid AND attname = $2 AND NOT attisdropped';

/** Fields of the composite types that columns or other types may have: no value shows one that was dropped. */
const FIELDS = `
  SELECT md5(string_agg(format('%s %s %s %s', a.attrelid, a.attnum, a.attisdropped, a.atttypid), ','
                        ORDER BY a.attrelid, a.attnum))
    FROM pg_type t
    JOIN pg_class c ON c.oid = t.typrelid
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
   WHERE c.relkind = 'c'
      OR EXISTS (SELECT FROM pg_depend d
                  WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray) AND d.objid <> t.typarray)`;

export interface SampleSessions {
  readonly reader: Connection;
  /** Has no transaction open, and looks at the catalog as it is now. */
  readonly watch: Connection;
  /** The snapshot that the values are of. Default: a new one for each column. */
  readonly snapshot?: SharedSnapshot | undefined;
}

/**
 * Values of columns of one table, each with the contexts of `all` that its row may be in: of the first column, and of as
 * many of the next as are read soon.
 */
export async function samplesOf(
  { reader, watch, snapshot }: SampleSessions,
  [first, ...others]: readonly [Candidate, ...Candidate[]],
  all: readonly ContextTemplate[],
): Promise<readonly (readonly SampledValue[])[]> {
  const { tableId, table, column, tree } = first;
  const locks = await lockOf(watch, tableId);
  return reader.transaction(
    async () => {
      if (snapshot !== undefined) await joinSnapshot(reader, snapshot);
      // An owner could put a function of its own behind the table between the check and the query.
      for (const lock of locks) await reader.change(lock);
      if (locks.length === 0 && !reader.refusesViews) throw notLocked(table);
      await requireSameName(watch, tableId, table);
      await requireOwnCode(watch, tableId, { table, column });
      const { isTable, names } = await requireSameColumns(watch, [first, ...others]);
      const [size] = await reader.rows(PAGES, [tree]);
      const percent = Math.min(100, (100 * SAMPLED_PAGES) / Math.max(1, Number(size?.[0] ?? 0)));
      const inTable: SampledTable = {
        // A child by inheritance is a table of its own.
        from: `${isTable ? 'ONLY ' : ''}${table} t`,
        percent,
        templates: all.filter(({ columns }) => columns.every((name) => names.has(name))),
        server: await serverTextOf(reader),
      };
      const read: Candidate[] = [];
      const samples: (readonly SampledValue[])[] = [];
      const began = performance.now();
      let bytes = 0;
      for (const candidate of [first, ...others]) {
        if (bytes >= ENOUGH_BYTES || performance.now() - began >= ENOUGH_TIME) break;
        const values = await sampleOf(reader, candidate, inTable);
        for (const { text } of values) bytes += text.length;
        samples.push(values);
        read.push(candidate);
      }
      // What another table, or code that was added meanwhile, has given is not believed.
      await reader.restorePath();
      await requireOnlyTables(watch, [reader], [first]);
      await requireOwnCode(watch, tableId, { table, column });
      await requireSameColumns(watch, read);
      await requireNotRewritten(reader, tableId, table);
      if (read.some(({ storage }) => storage === 'other')) await requireSameFields(reader, watch, table);
      return samples;
    },
    { mode: READING.mode, settings: ["SET LOCAL lock_timeout = '3s'"] },
  );
}

interface SampledTable {
  readonly from: string;
  readonly percent: number;
  /** Those whose columns the table has. */
  readonly templates: readonly ContextTemplate[];
  readonly server: ServerText | undefined;
}

async function sampleOf(
  reader: Connection,
  { column, storage }: Candidate,
  { from, percent, templates, server }: SampledTable,
): Promise<readonly SampledValue[]> {
  const inContexts = [...new Set(templates.flatMap(({ columns }) => columns))];
  const isText = server !== undefined && storage !== 'bytea';
  const value = isText ? storedBytes(VALUES[storage], server) : VALUES[storage];
  const read = [
    `t.${quoted(column)} AS v`,
    ...inContexts.map((name, at) => `${sentText(`t.${quoted(name)}::pg_catalog.text`, server)} AS c${at}`),
  ];
  const cellSize = (at: number) => `coalesce(pg_catalog.octet_length(c${at}), 0)`;
  const contextCells = inContexts.map(
    (_, at) => `CASE WHEN ${cellSize(at)} OPERATOR(pg_catalog.<=) ${MOST_CONTEXT_BYTES} THEN c${at} END`,
  );
  const lacks = ['false', ...inContexts.map((_, at) => `${cellSize(at)} OPERATOR(pg_catalog.>) ${MOST_CONTEXT_BYTES}`)];
  const sample = (rows: string, most: number) =>
    reader.rows(
      `SELECT ${[value, lacks.join(' OR '), ...contextCells].join(', ')}
         FROM (SELECT * FROM (SELECT ${read.join(', ')} FROM ${rows}) r WHERE NOT (v IS NULL) LIMIT ${most}) s`,
    );
  const found = [...(await sample(`${from} TABLESAMPLE SYSTEM (${percent}) ORDER BY pg_catalog.random()`, SAMPLE))];
  // The pages of a large table that were taken may be empty.
  if (percent < 100) found.push(...(await sample(`${from} LIMIT ${FIRST_ROWS}`, FIRST_VALUES)));
  return found.flatMap(([text, lacksContext, ...values]) => {
    if (text == null) return [];
    const valueOf = (name: string) => receivedText(values[inContexts.indexOf(name)], server);
    const contexts = templates.flatMap((one) => contextOf(one, one.columns.map(valueOf)) ?? []);
    return [
      {
        text: isText ? bytesOf(text).toString('latin1') : text,
        contexts: ['', ...contexts],
        lacksContext: lacksContext === 't',
      },
    ];
  });
}

function receivedText(text: string | null | undefined, server: ServerText | undefined): string | null | undefined {
  if (text == null || server === undefined || server.isMultibyte) return text;
  return decoded(bytesOf(text), server);
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text.slice(2), 'hex');
}

async function requireSameColumns(
  watch: Connection,
  [first, ...others]: readonly Candidate[],
): Promise<{ readonly isTable: boolean; readonly names: ReadonlySet<string> }> {
  if (first === undefined) return { isTable: false, names: new Set() };
  const { tableId, table, tree } = first;
  const [found] = await watch.rowsByPlan(TABLE, [tableId]);
  if (found?.[1] !== tree) throw replaced(table);
  const numbers = new Map(Object.entries(JSON.parse(found[2] ?? '{}') as Readonly<Record<string, unknown>>));
  for (const { column, columnNumber } of [first, ...others]) {
    if (numbers.get(column) !== columnNumber) throw replaced(`${table}.${column}`);
  }
  return { isTable: found[0] === 't', names: new Set(numbers.keys()) };
}

async function requireSameFields(reader: Connection, watch: Connection, table: string): Promise<void> {
  const [[before] = []] = await reader.rowsByPlan(FIELDS, []);
  const [[now] = []] = await watch.rowsByPlan(FIELDS, []);
  if (before !== now) throw replaced(table);
}

/** A materialized view cannot be locked by a statement, and another relation may take its name before it is read. */
function notLocked(table: string): KeyRotationError {
  return new KeyRotationError(
    'DATABASE_REFUSED',
    `${table} cannot be locked while it is looked at, and this version of PostgreSQL cannot refuse a view in its place.`,
  );
}
