import { hasOneText, keyCell, type Column } from './catalog/column.ts';
import { contextOf, type ContextTemplate } from '../format/context-template.ts';
import type { BinaryRow } from './connection/copy-query.ts';
import { quoted } from './connection/database.ts';
import { decoded, sentText, storedBytes } from './connection/server-text.ts';
import { KeyRotationError } from '../format/error.ts';

/** Most bytes of a value that is read: larger ones are listed, so that memory stays bounded. */
const MOST_VALUE_BYTES = 16 * 1024 * 1024;

/** Most bytes of the text of a column that a context names. A row with more is listed as one with a value too large. */
const MOST_TEXT_BYTES = 1024 * 1024;

/** Most of a key's, of a row that is read. More are read of it alone, since rows are read on from there. */
const MOST_KEY_BYTES = 8192;

/** What the value itself has beside the bytes that its text has. */
const VALUE_HEADER = 64;

/**
 * In a database that is not in UTF-8, each character of a value's text is one byte (`latin1`): ciphertexts are ASCII.
 */
export interface StoredRow {
  readonly key: readonly string[];
  /** `undefined`: not read, since it or another text of the row is too large. */
  readonly stored: string | Uint8Array | null | undefined;
  /** The context it is to be in; `undefined` where a column of the template is NULL. */
  readonly context: string | undefined;
  /** Every context that it may be in now, the likely one first. */
  readonly contexts: readonly string[];
  /** The text of each of the column's `watched` columns; where one is NULL there is no context either. */
  readonly watched: readonly string[];
}

/** Its bytes may be looked at only during the call that it is given to. */
export type ScannedRow = Omit<StoredRow, 'watched'>;

export type ReadColumn = Pick<Column, 'key' | 'context' | 'fromContext' | 'storage' | 'server' | 'spec' | 'members'>;

/** The columns of the key and of both contexts, whether the value is NULL, the value. What is too large is NULL. */
export function rowExpressions(column: Column): readonly string[] {
  const texts = readNames(column).map((name) => {
    const one = column.key.find((each) => each.name === name);
    const cell = one === undefined ? `t.${quoted(name)}` : keyCell(one);
    const text = sentText(`${cell}::pg_catalog.text`, column.server);
    const most = isOfKey(column, name) ? MOST_VALUE_BYTES : MOST_TEXT_BYTES;
    return longNames(column).includes(name) ? `CASE WHEN ${upTo(textSize(name), most)} THEN ${text} END` : text;
  });
  return [
    ...texts,
    `t.${column.column} IS NULL`,
    `CASE WHEN ${isRead(column, MOST_VALUE_BYTES)} THEN ${sentValue(column)} END`,
  ];
}

/** Whether a row's value is read, of so many bytes at most, and with what the other texts of the row allow. */
export function isRead(column: Column, most: number): string {
  const texts = longNames(column).map((name) =>
    upTo(textSize(name), Math.min(most, isOfKey(column, name) ? MOST_KEY_BYTES : MOST_TEXT_BYTES)),
  );
  return [upTo(valueSize(column), most), ...texts].join(' AND ');
}

/** Bytes of what `rowExpressions` gives of a row, each of which has a name. `value`: of its value, by the rest of the row. */
export function readSize(column: Column, names: readonly string[], value: string): string {
  const read = readNames(column);
  const texts = longNames(column).map((name) => sizeOf(names[read.indexOf(name)] ?? ''));
  return [`CASE WHEN ${names.at(-1) ?? ''} IS NULL THEN 0 ELSE ${value} END`, ...texts].join(
    ' OPERATOR(pg_catalog.+) ',
  );
}

/** Bytes of the value as it is sent, which PostgreSQL knows of bytea and text without reading them. 0 for NULL. */
export function valueSize(column: Column): string {
  return sizeOf(plainValue(column));
}

/** Of a large value of another type no text is made: it may be one that PostgreSQL cannot make. */
function textSize(name: string): string {
  const cell = `t.${quoted(name)}`;
  return (
    `CASE WHEN pg_catalog.pg_column_size(${cell}) OPERATOR(pg_catalog.>) ${MOST_TEXT_BYTES + VALUE_HEADER} ` +
    `THEN ${MOST_VALUE_BYTES + 1} ELSE ${sizeOf(`${cell}::pg_catalog.text`)} END`
  );
}

function sizeOf(text: string): string {
  return `coalesce(pg_catalog.octet_length(${text}), 0)`;
}

function upTo(size: string, most: number): string {
  return `${size} OPERATOR(pg_catalog.<=) ${most}`;
}

function isOfKey({ key }: Column, name: string): boolean {
  return key.some((one) => one.name === name);
}

/** Columns of the key and of both contexts whose text has no limit. */
function longNames(column: Column): readonly string[] {
  return readNames(column).filter((name) => !column.key.some((one) => one.name === name && hasOneText(one)));
}

/** How a row is listed: a long key is cut. */
export function listedKey(key: readonly string[]): readonly string[] {
  const isLong = (text: string) => text.length > MOST_KEY_BYTES;
  if (!key.some(isLong)) return key;
  return key.map((text) => (isLong(text) ? `${text.slice(0, 100)}… (${text.length} characters)` : text));
}

/** The value as it is sent, and compared with what was read. */
export function sentValue(column: Column): string {
  const { storage, server } = column;
  return storage === 'bytea' || server === undefined ? plainValue(column) : storedBytes(plainValue(column), server);
}

/** Bytes, or a text without the blanks that fill up a char. */
function plainValue({ storage, column }: Column): string {
  return storage === 'bytea' ? `t.${column}` : `t.${column}::pg_catalog.text`;
}

export function rowReader(column: ReadColumn): (row: BinaryRow) => ScannedRow {
  const { keyPlaces, contextPlaces, fromPlaces, valuePlace } = placesIn(column);
  const { context, fromContext, storage, server } = column;
  const textAt = reading(column);
  const storedIn = (row: BinaryRow) => {
    if (storage === 'bytea') return row.bytes(valuePlace);
    return server === undefined ? row.text(valuePlace) : row.bytes(valuePlace)?.toString('latin1');
  };
  const contextIn = (row: BinaryRow, template: ContextTemplate, places: readonly number[]) =>
    contextOf(
      template,
      places.map((place) => textAt(row, place)),
    );
  return (row) => {
    const stored = row.isTrue(valuePlace - 1) ? null : storedIn(row);
    const wanted = contextIn(row, context, contextPlaces);
    const former = fromContext === undefined ? undefined : contextIn(row, fromContext, fromPlaces);
    const keyOf = () => listedKey(keyPlaces.map((place) => textAt(row, place) ?? row.text(place) ?? 'too long'));
    return new ReadRow(keyOf, stored, wanted, former);
  };
}

/** Throws `INVALID_COLUMN` for a key without a form in UTF-8, which would be looked for as another one, and a huge one. */
export function storedRowReader(column: Column): (row: BinaryRow) => StoredRow {
  const { keyPlaces, watchedPlaces } = placesIn(column);
  const read = rowReader(column);
  const textAt = reading(column);
  return (row) => {
    const { stored, context, contexts } = read(row);
    return {
      key: keyPlaces.map((place) => textAt(row, place) ?? unusable(column)),
      stored: stored instanceof Uint8Array ? Buffer.from(stored) : stored,
      context,
      contexts,
      watched: watchedPlaces.length === 0 ? NONE : watchedPlaces.map((place) => textAt(row, place) ?? ''),
    };
  };
}

function unusable({ table, key }: Column): never {
  throw new KeyRotationError(
    'INVALID_COLUMN',
    `The key of a row of ${table} (${key.map(({ name }) => name).join(', ')}) has no form in UTF-8, or one of more than ` +
      '16 MiB, so the row cannot be looked up by it. Name another unique index (--key).',
  );
}

function reading({ server }: ReadColumn): (row: BinaryRow, place: number) => string | undefined {
  if (server === undefined) return (row, place) => row.text(place);
  return (row, place) => {
    const bytes = row.bytes(place);
    return bytes === undefined ? undefined : decoded(bytes, server);
  };
}

const NONE: readonly string[] = [];

export function readNames({ key, context, fromContext }: ReadColumn): readonly string[] {
  return [...new Set([...key.map(({ name }) => name), ...context.columns, ...(fromContext?.columns ?? [])])];
}

function placesIn(column: ReadColumn & Partial<Pick<Column, 'watched'>>) {
  const names = readNames(column);
  const placesOf = (columns: readonly string[]) => columns.map((name) => names.indexOf(name));
  return {
    keyPlaces: placesOf(column.key.map(({ name }) => name)),
    contextPlaces: placesOf(column.context.columns),
    fromPlaces: placesOf(column.fromContext?.columns ?? []),
    watchedPlaces: placesOf(column.watched ?? []),
    valuePlace: names.length + 1,
  };
}

function contextsOf(wanted: string | undefined, former: string | undefined): readonly string[] {
  if (wanted !== undefined && former === undefined) return [wanted];
  return [wanted, former].filter((one) => one !== undefined);
}

/** Its key is decoded only for the few rows that are listed. */
class ReadRow implements ScannedRow {
  readonly stored: ScannedRow['stored'];
  readonly context: string | undefined;
  readonly contexts: readonly string[];
  readonly #keyOf: () => readonly string[];

  constructor(
    keyOf: () => readonly string[],
    stored: ScannedRow['stored'],
    context: string | undefined,
    former: string | undefined,
  ) {
    this.#keyOf = keyOf;
    this.stored = stored;
    this.context = context;
    this.contexts = contextsOf(context, former);
  }

  get key(): readonly string[] {
    return this.#keyOf();
  }
}
