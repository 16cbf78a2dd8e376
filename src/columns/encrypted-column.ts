import { contextOf, contextTemplate, isAmbiguous, type ContextTemplate } from '../format/context-template.ts';
import { isKeyRotationError, KeyRotationError, typeName } from '../format/error.ts';
import { requireStringLength } from '../format/field.ts';
import { rowFromJson } from '../format/row-from-json.ts';
import { rowFromText } from '../format/row-from-text.ts';
import { decodeStrictBase64 } from '../format/strict-base64.ts';
import type { KeyRing } from '../keyring/key-ring.ts';
import type { Content } from './content.ts';

export type ColumnRing = Pick<KeyRing, 'encryptField' | 'decryptBytes' | 'decryptBytesSync'>;

/** The type of the column in PostgreSQL. `text` and `jsonb` hold base64. */
export type ColumnStorage = 'bytea' | 'text' | 'jsonb';

export interface EncryptedColumnOptions {
  /** An open ring, or a function that returns it, which is called for each value. */
  readonly ring: ColumnRing | (() => ColumnRing);
  /**
   * Where the values belong: `patients.notes` for a whole column, or `patients:{id}:notes` with columns of the row in
   * braces, where the library shows the row. A brace of the text is doubled.
   */
  readonly context: string;
  /**
   * Whether the columns of the context are all of type `text`. Otherwise nothing is written under a key such as `007` or a
   * UUID in capitals, which an `int` or `uuid` column stores in another spelling. Default: false.
   */
  readonly keysAreText?: boolean;
  /** Default: `bytea`. */
  readonly storage?: ColumnStorage;
}

/** A value of an encrypted column that could not be read. `code` is the ring's; `context` names the column or row. */
export class UnreadableColumnError extends KeyRotationError {
  override readonly name = 'UnreadableColumnError';
  readonly context: string;

  constructor(context: string, reason: KeyRotationError) {
    super(reason.code, `The value of ${JSON.stringify(context)} cannot be read. ${reason.message}`);
    this.context = context;
  }
}

export class EncryptedColumn<Value> {
  readonly storage: ColumnStorage;
  readonly #ring: EncryptedColumnOptions['ring'];
  readonly #template: ContextTemplate;
  readonly #content: Content<Value>;
  readonly #keysAreText: boolean;
  #checkedRing: ColumnRing | undefined;

  /** Throws `INVALID_COLUMN` for a context that is not a template, and `INVALID_SETTINGS` for an unknown storage. */
  constructor(
    content: Content<Value>,
    { ring, context, storage = 'bytea', keysAreText = false }: EncryptedColumnOptions,
  ) {
    const known: readonly string[] = ['bytea', 'text', 'jsonb'];
    if (!known.includes(storage))
      throw invalid(`The storage of an encrypted column is bytea, text or jsonb, not ${JSON.stringify(storage)}.`);
    const given: unknown = context;
    if (typeof given !== 'string' || given === '') {
      const found = given === '' ? 'an empty one' : typeName(given);
      throw invalid(`An encrypted column needs a context such as patients.notes, but got ${found}.`);
    }
    this.storage = storage;
    this.#ring = ring;
    this.#template = contextTemplate(context);
    this.#content = content;
    this.#keysAreText = keysAreText;
  }

  get rowColumns(): readonly string[] {
    return this.#template.columns;
  }

  /** The context for a library that does not show rows. Throws `INVALID_COLUMN` if it names columns of the row. */
  contextWithoutRow(library: string): string {
    const { source, columns } = this.#template;
    if (columns.length === 0) return contextOf(this.#template, []) ?? '';
    throw new KeyRotationError(
      'INVALID_COLUMN',
      `The context ${JSON.stringify(source)} needs the row's ${columns.join(' and ')}, but ${library} shows a column's ` +
        'type one value without its row. Give the column a context of its own, such as patients.notes, or call ' +
        'ring.encryptField and ring.decryptField with the context of the row.',
    );
  }

  /** Throws `INVALID_COLUMN` if the row lacks a column of the context; `how` says what to do about that. */
  contextOfRow(row: Readonly<Record<string, unknown>>, how: () => string): string {
    const { texts, columns } = this.#template;
    let context = texts[0] ?? '';
    for (let index = 0; index < columns.length; index += 1) {
      const value = keyOfRow(row, columns[index] ?? '');
      if (value === undefined) throw this.#missingKeys(row, how);
      context += value + (texts[index + 1] ?? '');
    }
    return context;
  }

  /** Also throws `INVALID_COLUMN` for keys that PostgreSQL may spell differently, or that give two rows one context. */
  contextToWrite(row: Readonly<Record<string, unknown>>, how: () => string): string {
    const context = this.contextOfRow(row, how);
    const { source, columns } = this.#template;
    const keys = columns.map((column) => String(row[column]));
    if (isAmbiguous(this.#template, keys))
      throw new KeyRotationError(
        'INVALID_COLUMN',
        `The context ${JSON.stringify(source)} cannot tell this row from others: a value of ${columns.join(' or ')} has ` +
          'the text in it that separates them. Use a text between the columns that no value has. Nothing was written.',
      );
    const doubtful = this.#keysAreText ? -1 : columns.findIndex((column) => mayBeRespelled(row[column]));
    if (doubtful >= 0)
      throw new KeyRotationError(
        'INVALID_COLUMN',
        `PostgreSQL may store the given ${columns[doubtful] ?? ''} in another spelling, under which the value would not ` +
          'open: a UUID in lower case with hyphens, an integer without leading zeros, a varchar without trailing spaces. ' +
          'Give it as PostgreSQL returns it, or set keysAreText if the columns of the context are of type text.',
      );
    return context;
  }

  #missingKeys(row: Readonly<Record<string, unknown>>, how: () => string): KeyRotationError {
    const { source, columns } = this.#template;
    const missing = columns.filter((column) => keyOfRow(row, column) === undefined);
    return new KeyRotationError(
      'INVALID_COLUMN',
      `The context ${JSON.stringify(source)} needs ${missing.join(' and ')}, which the row does not show as text, ` +
        `a number or a UUID. ${how()}`,
    );
  }

  /** The ciphertext of a value. Throws as `ring.encryptField` does, and `INVALID_TEXT` for a value of another type. */
  encrypt(value: Value, context: string): Buffer {
    return this.#openRing().encryptField(this.#content.plaintextOf(value, context), context);
  }

  /** The value of a cell, with a cached key. Throws `UnreadableColumnError`. */
  decryptSync(cell: unknown, context: string): Value {
    try {
      return this.#content.valueOf(this.#openRing().decryptBytesSync(this.#rowOf(cell), context));
    } catch (error) {
      throw named(context, error);
    }
  }

  /** The value of a cell; fetches its key if it is not cached. Rejects with `UnreadableColumnError`. */
  async decrypt(cell: unknown, context: string): Promise<Value> {
    const ring = this.#openRing();
    try {
      return this.#content.valueOf(await ring.decryptBytes(this.#rowOf(cell), context));
    } catch (error) {
      throw named(context, error);
    }
  }

  #openRing(): ColumnRing {
    const ring: unknown = typeof this.#ring === 'function' ? this.#ring() : this.#ring;
    if (ring === this.#checkedRing && this.#checkedRing !== undefined) return this.#checkedRing;
    if (isRing(ring)) {
      this.#checkedRing = ring;
      return ring;
    }
    throw invalid(
      `An encrypted column needs an open KeyRing, but got ${ring instanceof Promise ? 'a promise' : typeName(ring)}. ` +
        'Await KeyRing.open() and ring.warm() before the first query, and return that ring.',
    );
  }

  #rowOf(cell: unknown): Uint8Array {
    if (this.storage === 'bytea' && cell instanceof Uint8Array) return cell;
    // Nearly every cell of text and jsonb is plain base64, which neither JSON nor a line break can be part of.
    const decoded = this.storage !== 'bytea' && typeof cell === 'string' ? decodeStrictBase64(cell) : undefined;
    if (decoded !== undefined) return decoded;
    if (this.storage === 'jsonb') return rowFromJson(cell);
    // Rows inside JSON, as relational queries fetch them, spell bytea in hexadecimal.
    if (this.storage === 'bytea' && typeof cell === 'string' && /^\\x([0-9a-f]{2})*$/.test(cell))
      return Buffer.from(cell.slice(2), 'hex');
    const cached = this.storage === 'bytea' ? bytesOfJson(cell) : undefined;
    if (cached !== undefined) return cached;
    if (this.storage === 'text' && typeof cell === 'string') return rowFromText(cell);
    throw new KeyRotationError(
      'INVALID_CIPHERTEXT',
      `The storage of the column is ${this.storage}, but the driver returned ${typeName(cell)}. Name the storage that ` +
        'the column has in PostgreSQL.',
    );
  }
}

/** A ciphertext as the driver takes it. Throws `INVALID_TEXT` if its base64 is too long for a string. */
export function cellOf(row: Buffer, storage: ColumnStorage): Buffer | string {
  if (storage === 'bytea') return row;
  requireStringLength(Math.ceil(row.length / 3) * 4, 'a bytea column');
  return row.toString('base64');
}

/** A ciphertext as PostgreSQL itself reads it, for libraries that pass a jsonb value on as its JSON. */
export function parameterOf(row: Buffer, storage: ColumnStorage): Buffer | string {
  const cell = cellOf(row, storage);
  return storage === 'jsonb' ? JSON.stringify(cell) : cell;
}

/** The JSON of a Buffer, which query caches such as TypeORM's keep. */
function bytesOfJson(cell: unknown): Uint8Array | undefined {
  if (typeof cell !== 'object' || cell === null || !('data' in cell)) return undefined;
  return Array.isArray(cell.data) ? Uint8Array.from(cell.data, Number) : undefined;
}

/** A key as PostgreSQL spells it. JavaScript spells a number such as 1e21 differently, so that is no key. */
function keyOfRow(row: Readonly<Record<string, unknown>>, column: string): string | undefined {
  const value = Object.hasOwn(row, column) ? row[column] : undefined;
  if (typeof value === 'string' || typeof value === 'bigint') return String(value);
  return typeof value === 'number' && Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : undefined;
}

/** Also true for spaces at the end, which a varchar(n) cuts. */
function mayBeRespelled(key: unknown): boolean {
  if (typeof key !== 'string') return false;
  const isInteger = /^\s*[+-]?[0-9]+\s*$/.test(key) && !/^(0|-?[1-9][0-9]*)$/.test(key);
  const isUuid = /^\{?([0-9a-f]{4}-?){8}\}?$/i.test(key) && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(key);
  return isInteger || isUuid || key.endsWith(' ');
}

function isRing(value: unknown): value is ColumnRing {
  return typeof value === 'object' && value !== null && 'encryptField' in value && 'decryptBytesSync' in value;
}

function named(context: string, error: unknown): unknown {
  return isKeyRotationError(error) ? new UnreadableColumnError(context, error) : error;
}

function invalid(message: string): KeyRotationError {
  return new KeyRotationError('INVALID_SETTINGS', message);
}
