import { KeyRotationError } from '../../format/error.ts';
import { readVarint } from '../../format/varint.ts';
import type { RingKeys } from '../all-keys.ts';
import { attribute } from '../attribution.ts';
import { columnName, type Column } from './column.ts';
import { passDamage, tryReading } from '../damaged-rows.ts';
import { quoted, type Connection } from '../connection/database.ts';
import { PLACES_OF_PAGE, scanRange, type HeapRange } from '../heap-scan.ts';
import type { KnownKeys } from '../known-keys.ts';
import { isRead, readNames, rowExpressions, storedRowReader, type ScannedRow, type StoredRow } from '../row-reader.ts';
import { rowOf } from '../stored-value.ts';

/** Rows that are looked at, of so many pages from all over the table, and bytes of the largest value. */
const SAMPLE = 500;
const SAMPLED_PAGES = 100;
const MOST_BYTES = 65_536;

/** Fewer rows than these may have been tampered with, or older data that begins like one. */
const LEAST_ROWS = 3;

/** For as many rows of older data one such row shows nothing: anyone who may write a row could stop the job with it. */
const OLDER_ROWS = 10;

/** Rows that are named, for an operator who knows that the context is right. */
const MOST_NAMED = 10;

/** Of all partitions together, and of the largest one. */
const PAGES = `
  SELECT pg_catalog.sum(pages), pg_catalog.max(pages)
    FROM (SELECT pg_catalog.pg_relation_size(id) OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::pg_catalog.int8
            FROM (SELECT $1::pg_catalog.oid AS id
                   UNION SELECT relid FROM pg_catalog.pg_partition_tree($1::pg_catalog.oid::pg_catalog.regclass)) parts) sizes(pages)`;

/** Throws `INVALID_COLUMN` where no row opens in the contexts given, although the ring has the keys that rows name. */
export async function requireContext(session: Connection, column: Column, keys: RingKeys): Promise<void> {
  const found: Finding[] = [];
  const odd: string[] = [];
  for (const row of await sampleOf(session, column)) {
    // The keys as they are: a count of what this process opens is not meant for a sample.
    const one = lookAt(column, row, keys.known);
    if (one === 'right') return;
    found.push(one);
    if (one === 'without context' || one === 'in another') odd.push(row.key.join(','));
  }
  const countOf = (one: Finding) => found.filter((each) => each === one).length;
  const [bare, older] = [countOf('without context'), countOf('older')];
  const other = odd.length - bare;
  if (odd.length < LEAST_ROWS || odd.length * OLDER_ROWS <= older) return;
  const given = [...new Set([column.fromContext?.source, column.context.source])].filter(
    (source) => source !== undefined,
  );
  const contexts = given
    .map((source) => (source === '' ? 'without a context' : `in the context ${source}`))
    .join(' or ');
  const advice =
    bare > 0
      ? `${bare} open without a context: leave --context out, or name the one that they are to be moved to (--to-context).`
      : `${other} begin with the number of a key of the ring, which does not open them so: check --context.`;
  const danger = older > 0 ? ` ${older} of older data, which has no context, would be bound to this one.` : '';
  const named = odd.slice(0, MOST_NAMED).join('; ');
  const wayOut =
    older > 0 ? ` If it is right, correct or delete these rows: ${named}${odd.length > MOST_NAMED ? '; …' : ''}.` : '';
  throw new KeyRotationError(
    'INVALID_COLUMN',
    `Of ${found.length} rows of ${columnName(column)} that were looked at, none under a number opens ${contexts}. ${advice}${danger}${wayOut} ` +
      'Nothing was changed.',
  );
}

type Finding = 'right' | 'without context' | 'in another' | 'older' | 'unknown';

function lookAt({ storage, spec }: Column, { stored, contexts }: StoredRow, keys: KnownKeys): Finding {
  if (stored == null) return 'unknown';
  const opened = attribute(stored, storage, contexts, keys, spec.member);
  if (opened.kind === 'numbered' || opened.kind === 'unnumbered') return 'right';
  if (opened.kind === 'legacy') return 'older';
  const number = readVarint(rowOf(stored, storage, spec.member));
  if (number === undefined || number === 0 || keys.ofNumber(number) === undefined) return 'unknown';
  return attribute(stored, storage, [''], keys, spec.member).kind === 'numbered' ? 'without context' : 'in another';
}

/** Rows of the open transaction. Values are read of those only that were chosen. */
async function sampleOf(session: Connection, column: Column): Promise<readonly StoredRow[]> {
  const [size] = await session.rows(PAGES, [column.tableId]);
  const [pages = 0, mostPages = 0] = (size ?? []).map(Number);
  const percent = Math.min(100, (100 * SAMPLED_PAGES) / Math.max(1, pages));
  const names = [...new Set([...readNames(column), column.spec.column])].map(quoted);
  const read = storedRowReader(column);
  const rows: StoredRow[] = [];
  const select = `SELECT ${rowExpressions(column).join(', ')}
       FROM (SELECT ${names.join(', ')} FROM ${column.ownRows} TABLESAMPLE SYSTEM (${percent})
              WHERE ${column.column} IS NOT NULL ORDER BY pg_catalog.random() LIMIT ${SAMPLE}) t
      WHERE ${isRead(column, MOST_BYTES)}`;
  const sample = await tryReading(session, () => session.copyRows(select, (row) => rows.push(read(row))));
  return 'value' in sample ? rows : sampleAround(session, column, mostPages);
}

/** The rows of some pages, as far as the server can read them. */
async function sampleAround(session: Connection, column: Column, pages: number): Promise<readonly StoredRow[]> {
  const where = `t.${column.column} IS NOT NULL AND ${isRead(column, MOST_BYTES)}`;
  const rows: StoredRow[] = [];
  const read = async (part: Column, range: HeapRange) => {
    const some: StoredRow[] = [];
    const onRow = ({ key, stored, context, contexts }: ScannedRow) => {
      const value = stored instanceof Uint8Array ? Buffer.from(stored) : stored;
      some.push({ key, stored: value, context, contexts, watched: [] });
    };
    await scanRange(session, part, range, onRow, where);
    rows.push(...some);
  };
  const step = Math.max(1, Math.floor(pages / SAMPLED_PAGES));
  for (let page = 0; page < pages && rows.length < SAMPLE; page += step) {
    const from = page * PLACES_OF_PAGE;
    await passDamage(session, column, { from, to: from + PLACES_OF_PAGE }, read);
  }
  return rows;
}
