import { BYTES, json, TEXT, type Content } from './content.ts';
import { cellOf, EncryptedColumn, type ColumnStorage, type EncryptedColumnOptions } from './encrypted-column.ts';
import { comparedColumn } from './refused-comparison.ts';

export { UnreadableColumnError, type ColumnRing, type ColumnStorage } from './encrypted-column.ts';
export type { EncryptedColumnOptions } from './encrypted-column.ts';

export interface EncryptedTransformer<Value> {
  readonly to: (value: Value | null | undefined) => Buffer | EncryptedCell | null | undefined;
  readonly from: (cell: unknown) => Value | null | undefined;
}

/** A ciphertext in base64, as it goes to the driver. */
export interface EncryptedCell {
  readonly toPostgres: () => string;
  readonly toJSON: () => string;
}

export interface EncryptedColumnDefinition<Value> {
  readonly type: 'bytea' | 'text' | 'jsonb';
  readonly transformer: EncryptedTransformer<Value>;
}

/**
 * The options of a column of encrypted text: `@Column(encryptedText({ ring: getRing, context: 'patients.notes' }))`.
 *
 * Await `ring.warm()` before the first query: TypeORM reads synchronously, so a key that is not cached is
 * `KEY_UNAVAILABLE`. The context is that of the column, since TypeORM does not show the row. A `where` with a value throws
 * `INVALID_COLUMN`, except `In` and `Between` of an update or delete. Raw results (`getRawMany`, `query`) are ciphertexts.
 */
export function encryptedText(options: EncryptedColumnOptions): EncryptedColumnDefinition<string> {
  return definition(TEXT, options);
}

/** The options of a column of encrypted bytes; otherwise as `encryptedText`. */
export function encryptedBytes(options: EncryptedColumnOptions): EncryptedColumnDefinition<Uint8Array> {
  return definition(BYTES, options);
}

/** The options of a column of encrypted JSON values; otherwise as `encryptedText`. */
export function encryptedJson<Value = unknown>(options: EncryptedColumnOptions): EncryptedColumnDefinition<Value> {
  return definition(json<Value>(), options);
}

function definition<Value>(content: Content<Value>, options: EncryptedColumnOptions): EncryptedColumnDefinition<Value> {
  const encrypted = new EncryptedColumn(content, options);
  const context = encrypted.contextWithoutRow('TypeORM');
  return {
    type: encrypted.storage,
    transformer: {
      to: (value) =>
        isNone(value)
          ? value
          : writtenOnly(cellOf(encrypted.encrypt(value, context), encrypted.storage), context, encrypted.storage),
      from: (cell) => (isNone(cell) ? cell : encrypted.decryptSync(cell, context)),
    },
  };
}

/**
 * A cell that cannot be compared. TypeORM passes the values of a `where` to the transformer, too. It asks only those by the
 * member `@instanceof` whether they are operators. It does not ask those of `In` and `Between`, but a SELECT writes all of
 * its parameters as JSON.
 */
function writtenOnly(cell: Buffer | string, context: string, storage: ColumnStorage): Buffer | EncryptedCell {
  const refuse = () => {
    throw comparedColumn(context);
  };
  const unlessCompared =
    <Json>(json: () => Json) =>
    () =>
      isParameterOfSelect() ? refuse() : json();
  const written =
    typeof cell === 'string'
      ? // What is stored in jsonb was JSON before it comes to the driver, so it is the driver that asks about a condition.
        storage === 'jsonb'
        ? { toPostgres: refuse, toJSON: () => cell }
        : { toPostgres: () => cell, toJSON: unlessCompared(() => cell) }
      : Object.defineProperty(cell, 'toJSON', { value: unlessCompared(() => ({ type: 'Buffer', data: [...cell] })) });
  return Object.defineProperty(written, '@instanceof', { get: refuse });
}

/** Whether it is TypeORM's method that runs a SELECT which asks for the JSON. A log of the application may ask, too. */
function isParameterOfSelect(): boolean {
  const nearest = new Error().stack?.split('\n', 7) ?? [];
  return nearest.some((call) => /\bloadRawResults\b/.test(call));
}

function isNone(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}
