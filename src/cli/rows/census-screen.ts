import { ownedName } from '../../postgres/catalog/column-name.ts';
import type { CountedRows } from '../../format/retired-tag.ts';
import type { ColumnCensus } from '../../postgres/census.ts';
import type { HeaderCensus } from '../../postgres/header-census.ts';
import { foundName } from '../../postgres/sample/found-column.ts';
import type { LeftRow } from '../../postgres/job/plan-rows.ts';
import { tableLines, wrapped } from '../terminal/table.ts';

/** --json lists more. */
const MOST_LISTED = 20;

export const UNSEARCHED = 'that cannot be looked through for ciphertexts inside the value';

/** `1,234,567`. */
export function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

/** `1 row`, `2,000 rows`. */
export function rowCount(count: number): string {
  return `${grouped(count)} row${count === 1 ? '' : 's'}`;
}

/** `public.patients.notes (owner app): 2,000 rows`. */
export function countedLine({ rows, ...place }: CountedRows): string {
  return `${ownedName(place)}: ${rowCount(rows)}`;
}

export function censusLines(count: ColumnCensus, current: number | undefined): readonly string[] {
  const rows = [
    ...entries(count.numbered).map(([number, rows]) => [
      `key ${number}${number === current ? ', current' : ''}`,
      grouped(rows),
    ]),
    // A label that was moved by hand leaves rows under a number that their key does not have.
    ...openedBy('number 0 or a number of another key', count.unnumbered),
    ...openedBy('older data', count.legacy),
    ...(count.nulls > 0 ? [['NULL', grouped(count.nulls)]] : []),
    ...(count.empty > 0 ? [['empty', grouped(count.empty)]] : []),
    ...(count.unreadable > 0 ? [['no key opens it', grouped(count.unreadable)]] : []),
    ['sum = rows of the snapshot', grouped(count.rows)],
  ];
  const [, ...lines] = tableLines(['', ''], rows, [1]);
  return [
    countedLine(count),
    ...lines.map((line) => `  ${line}`),
    ...entries(count.nested).map(
      ([number, rows]) =>
        `  ${rowCount(rows)} with a ciphertext inside the plaintext, opened by ${number === 0 ? 'a key without a number' : `key ${number}`}`,
    ),
    ...(count.unsearched > 0 ? [`  ${rowCount(count.unsearched)} ${UNSEARCHED}`] : []),
    ...listed(count.listed, count.unreadable + count.unsearched),
    ...besideLines(count),
    ...count.unseen.map((why) => `  Not every row was seen: ${why}.`),
  ];
}

function besideLines({ besides }: Pick<ColumnCensus, 'besides'>): readonly string[] {
  return besides.map((found) => `  Not counted, though it looks encrypted: ${foundName(found)}`);
}

export const CHECK_CONTEXT =
  'First check the context: none of the numbered rows opens in this one, and reencrypt would bind older data to it.';

/** Under a wrong context, no numbered row opens, and older data does. */
export function isContextRight({ unreadable, numbered }: ColumnCensus): boolean {
  return unreadable === 0 || Object.keys(numbered).length > 0;
}

/** A ring has no more numbers, so where more are found, chance has made some. */
const MOST_LABELS = 20;

/** Older data looks like each number once in 256, and seldom three times as often. */
const BY_CHANCE = 3 / 256;

function sumOf(counts: readonly (readonly [number, number])[]): number {
  return counts.reduce((sum, [, rows]) => sum + rows, 0);
}

/** Numbers that only chance may have made are one line. */
export function headerLines(count: HeaderCensus): readonly string[] {
  const all = entries(count.looksLike);
  const frequent = all.filter(([, rows]) => all.length <= MOST_LABELS || rows >= count.rows * BY_CHANCE);
  const rare = all.filter((one) => !frequent.includes(one));
  const rows = [
    ...frequent.map(([number, rows]) => [`looks like key ${number}`, grouped(rows)]),
    ...(rare.length === 0 ? [] : [[`looks like ${rare.length} other numbers`, grouped(sumOf(rare))]]),
    ...(count.other > 0 ? [['other', grouped(count.other)]] : []),
    ...(count.nulls > 0 ? [['NULL', grouped(count.nulls)]] : []),
  ];
  const [, ...lines] = tableLines(['', ''], rows, [1]);
  return [`${countedLine(count)}, estimated from their first bytes`, ...lines.map((line) => `  ${line}`)];
}

/** Each with the reason. */
export function listed(rows: readonly LeftRow[], count: number): readonly string[] {
  const lines = rows.slice(0, MOST_LISTED).map(({ key, code }) => `    ${key.join(', ')}: ${code}`);
  const more = count - lines.length;
  if (more <= 0) return lines;
  return [...lines, `    and ${grouped(more)} more (--json lists up to 10,000)`, ...byCode(rows)];
}

/** The first few may all have another reason than the rest. */
function byCode(rows: readonly LeftRow[]): readonly string[] {
  const codes = [...new Set(rows.map(({ code }) => code))];
  const counts = codes.map((code) => `${grouped(rows.filter((row) => row.code === code).length)} ${code}`);
  return wrapped(`By reason: ${counts.join(', ')}`, 96).map((line) => `    ${line}`);
}

function openedBy(what: string, counts: Readonly<Record<number, number>>): string[][] {
  return entries(counts).map(([number, rows]) => [
    `${what}, opened by ${number === 0 ? 'a key without a number' : `key ${number}`}`,
    grouped(rows),
  ]);
}

function entries(counts: Readonly<Record<number, number>>): [number, number][] {
  return Object.entries(counts).map(([number, rows]) => [Number(number), rows]);
}
