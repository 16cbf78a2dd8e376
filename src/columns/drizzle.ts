import { customType, type PgCustomColumnBuilder } from 'drizzle-orm/pg-core';
import { KeyRotationError } from '../format/error.ts';
import { BYTES, json, TEXT, type Content } from './content.ts';
import { EncryptedColumn, parameterOf, type ColumnStorage, type EncryptedColumnOptions } from './encrypted-column.ts';
import { comparedColumn } from './refused-comparison.ts';

export { UnreadableColumnError, type ColumnRing, type ColumnStorage } from './encrypted-column.ts';
export type { EncryptedColumnOptions } from './encrypted-column.ts';

export type EncryptedColumnBuilder<Name extends string, Value> = PgCustomColumnBuilder<{
  name: Name;
  dataType: 'custom';
  columnType: 'PgCustomColumn';
  data: Value;
  driverParam: unknown;
  enumValues: undefined;
}>;

/**
 * A column of encrypted text: `notes: encryptedText('notes', { ring: getRing, context: 'patients.notes' })`.
 *
 * Await `ring.warm()` before the first query: Drizzle reads synchronously, so a key that is not cached is
 * `KEY_UNAVAILABLE`. The context is that of the column, since Drizzle does not show the row. A condition with a value
 * (`eq`, `inArray`, `gt`) throws `INVALID_COLUMN`.
 */
export function encryptedText<Name extends string>(
  name: Name,
  options: EncryptedColumnOptions,
): EncryptedColumnBuilder<Name, string> {
  return column(name, TEXT, options);
}

/** A column of encrypted bytes; otherwise as `encryptedText`. */
export function encryptedBytes<Name extends string>(
  name: Name,
  options: EncryptedColumnOptions,
): EncryptedColumnBuilder<Name, Uint8Array> {
  return column(name, BYTES, options);
}

/** A column of encrypted JSON values, `encryptedJson<Allergies>('allergies', …)`; otherwise as `encryptedText`. */
export function encryptedJson<Value = unknown, Name extends string = string>(
  name: Name,
  options: EncryptedColumnOptions,
): EncryptedColumnBuilder<Name, Value> {
  return column(name, json<Value>(), options);
}

function column<Name extends string, Value>(
  name: Name,
  content: Content<Value>,
  options: EncryptedColumnOptions,
): EncryptedColumnBuilder<Name, Value> {
  const encrypted = new EncryptedColumn(content, options);
  const context = encrypted.contextWithoutRow('Drizzle');
  const build = customType<{ data: Value; driverData: unknown }>({
    dataType: () => encrypted.storage,
    toDriver: (value) => parameterOf(encrypted.encrypt(value, context), encrypted.storage),
    fromDriver: (cell) => encrypted.decryptSync(cell, context),
  });
  return guarded(build<Name>(name), context, encrypted.storage);
}

/** Lets a column be compared with nothing, and refuses what would store or return other values than it encrypts. */
function guarded<Builder extends object>(builder: Builder, context: string, storage: ColumnStorage): Builder {
  const build: unknown = Reflect.get(builder, 'build');
  const array: unknown = Reflect.get(builder, 'array');
  if (typeof build !== 'function' || typeof array !== 'function') return builder;
  const ofDatabase = (): never => {
    throw refused(
      context,
      'takes no value that the database makes: it would be stored unencrypted. Use $default(() => …)',
    );
  };
  return Object.assign(builder, {
    build: (...table: readonly unknown[]): unknown => {
      const column: unknown = Reflect.apply(build, builder, table);
      if (typeof column === 'object' && column !== null) refuseAsEncoder(column, () => comparedColumn(context));
      return column;
    },
    array: (...size: readonly unknown[]): unknown => {
      // Drizzle makes one text of a list, in which the bytes of a ciphertext would be lost.
      if (storage === 'bytea') throw refused(context, "cannot be a list of bytea values. Use storage: 'text'");
      const list: unknown = Reflect.apply(array, builder, size);
      return typeof list === 'object' && list !== null ? guarded(list, context, storage) : list;
    },
    default: ofDatabase,
    generatedAlwaysAs: ofDatabase,
  });
}

function refused(context: string, why: string): KeyRotationError {
  return new KeyRotationError('INVALID_COLUMN', `The encrypted column of ${JSON.stringify(context)} ${why}.`);
}

/**
 * `eq` and its like ask whether `'mapToDriverValue' in column` before they bind a value to it. Inserts and updates, which
 * use it without asking, and `isNull` do not.
 */
function refuseAsEncoder(column: object, refusal: () => Error): void {
  const prototype: unknown = Reflect.getPrototypeOf(column);
  const fromDriver: unknown = Reflect.get(column, 'mapFromDriverValue');
  const guard = new Proxy(Object.create(prototype as object) as object, {
    has: (target, name) => {
      if (name === 'mapToDriverValue') throw refusal();
      return Reflect.has(target, name);
    },
  });
  Object.setPrototypeOf(column, guard);
  // Called for each value, and slower through the guard.
  Object.defineProperty(column, 'mapFromDriverValue', { value: fromDriver });
}
