import { KeyRotationError } from '../format/error.ts';
import type { EncryptedColumn } from './encrypted-column.ts';

export type EncryptedModels = Readonly<Record<string, Readonly<Record<string, EncryptedColumn<unknown>>>>>;
export type Fields = Readonly<Record<string, EncryptedColumn<unknown>>>;
export type Members = Readonly<Record<string, unknown>>;

const COMBINATIONS: readonly string[] = ['AND', 'OR', 'NOT'];
/** Members of a column's filter that are values, perhaps a document of JSON with any names in it. */
const VALUES =
  /^(equals|not|in|notIn|lte?|gte?|contains|startsWith|endsWith|search|mode|path|has|hasSome|hasEvery|string_.*|array_.*)$/;
const RELATION_FILTERS = /^(some|every|none|is|isNot)$/;
const NESTED_WRITES = /^(create|createMany|connectOrCreate|update|updateMany|upsert)$/;
const RELINKS = /^(connect|connectOrCreate|create|disconnect|set|upsert|delete)$/;
const MOVES = /^(connect|connectOrCreate|disconnect|set)$/;

/** What a query must not do with encrypted fields. A relation may lead to those of every model. */
export class PrismaRefusals {
  readonly #models: EncryptedModels;
  readonly #everywhere: Fields;
  readonly #keys: ReadonlySet<string>;

  constructor(models: EncryptedModels) {
    this.#models = models;
    this.#everywhere = Object.assign({}, ...Object.values(models)) as Fields;
    this.#keys = new Set(Object.values(models).flatMap(keysOf));
  }

  fieldsOf(model: string): Fields {
    return this.#models[model] ?? {};
  }

  comparison(fields: Fields, value: unknown, argument: string): void {
    if (argument === 'by' || argument === 'distinct') refuseNames(fields, value, argument);
    else this.#conditions(fields, value, argument);
  }

  /** Throws where the arguments of a relation in `select` or `include` compare values of encrypted fields. */
  selection(value: unknown): void {
    if (!isMembers(value)) return;
    for (const inner of Object.values(value).filter(isMembers))
      for (const [argument, given] of Object.entries(inner)) {
        if (argument === 'select' || argument === 'include') this.selection(given);
        else if (argument !== 'omit') this.comparison(this.#everywhere, given, argument);
      }
  }

  /** Throws where the data of a relation name an encrypted field, or the key that a context names. */
  nestedWrite(value: unknown): void {
    if (!isMembers(value)) return;
    for (const [operation, given] of Object.entries(value))
      if (NESTED_WRITES.test(operation)) for (const one of listOf(given)) this.#nestedData(one, operation);
  }

  /** Throws where another row is linked through a foreign key that a context names, as far as names tell. */
  relink(model: string, relation: string, value: unknown, isUpdate: boolean): void {
    if (!isMembers(value) || !Object.keys(value).some((operation) => RELINKS.test(operation))) return;
    const own = isUpdate ? keysOf(this.fieldsOf(model)).find((key) => isKeyOf(key, relation)) : undefined;
    const moves = Object.keys(value).some((operation) => MOVES.test(operation));
    const others = Object.entries(this.#models)
      .filter(([other]) => moves && (isKeyOf(relation, other) || isListOfLinks(value)))
      .flatMap(([, fields]) => keysOf(fields))
      .find((one) => isKeyOf(one, model));
    const key = own ?? others;
    if (key !== undefined)
      throw refused(
        `${relation} may change ${key}, under which a field is encrypted`,
        'Create a row with the new key and delete the old one.',
      );
  }

  #nestedData(value: unknown, operation: string): void {
    if (!isMembers(value)) return;
    for (const [name, inner] of Object.entries(value)) {
      if (Object.hasOwn(this.#everywhere, name) && inner !== null && inner !== undefined)
        throw refused(`a nested write names ${name}`, 'Write that row with its own model, in the same transaction.');
      if (operation.startsWith('update') && this.#keys.has(name) && inner !== undefined)
        throw refused(
          `a nested update changes ${name}, under which a field is encrypted`,
          'Create a row with the new key and delete the old one.',
        );
      if (/^(data|create|update)$/.test(name))
        for (const one of listOf(inner)) this.#nestedData(one, name === 'data' ? operation : name);
      else if (name === 'where') this.#conditions(this.#everywhere, inner, 'a nested write');
      else this.nestedWrite(inner);
    }
  }

  #conditions(fields: Fields, value: unknown, argument: string): void {
    if (Array.isArray(value)) for (const one of value) this.#conditions(fields, one, argument);
    if (!isMembers(value)) return;
    for (const [name, inner] of Object.entries(value)) {
      if (Object.hasOwn(fields, name) && inner !== undefined) {
        if (!isAboutNull(inner)) throw compared(name, argument);
      } else if (COMBINATIONS.includes(name)) this.#conditions(fields, inner, argument);
      else if (name === '_relevance' && isMembers(inner)) refuseNames(fields, inner['fields'], argument);
      else this.#filter(inner, argument);
    }
  }

  /** The filter of a column, the filter of a relation, or a relation's conditions themselves. */
  #filter(value: unknown, argument: string): void {
    this.#fieldReference(value, argument);
    if (!isMembers(value)) return;
    for (const [name, inner] of Object.entries(value)) {
      if (VALUES.test(name)) this.#fieldReference(inner, argument);
      else if (RELATION_FILTERS.test(name)) this.#conditions(this.#everywhere, inner, argument);
      else this.#conditions(this.#everywhere, { [name]: inner }, argument);
    }
  }

  /** `prisma.patient.fields.notes`: the column as a value. */
  #fieldReference(value: unknown, argument: string): void {
    if (!isMembers(value)) return;
    const { modelName, name } = value;
    if (typeof modelName !== 'string' || typeof name !== 'string') return;
    if (Object.hasOwn(this.fieldsOf(modelName), name)) throw compared(name, argument);
  }
}

function keysOf(fields: Fields): readonly string[] {
  return Object.values(fields).flatMap((field) => field.rowColumns);
}

export function refused(what: string, how: string): KeyRotationError {
  return new KeyRotationError('INVALID_COLUMN', `This query was not sent: ${what}. ${how}`);
}

export function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** `Prisma.DbNull` and its like, and `Prisma.skip`: objects without members, which are no values of a field. */
export function isMarker(value: unknown): boolean {
  if (!isMembers(value) || Object.keys(value).length > 0) return false;
  const name: unknown = Reflect.get(value, 'toString');
  const text: unknown = typeof name === 'function' ? Reflect.apply(name, value, []) : '';
  return 'ifUndefined' in value || /^Prisma\.(Db|Json|Any)Null$/.test(String(text));
}

/** Whether `patientId` or `patient_id` reads as the key of `patient`. */
function isKeyOf(key: string, relation: string): boolean {
  return key.toLowerCase().startsWith(relation.toLowerCase());
}

/** Whether rows that exist are linked through a list. One link alone is most often to a parent. */
function isListOfLinks(value: Members): boolean {
  return Object.entries(value).some(([name, links]) => MOVES.test(name) && Array.isArray(links));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function refuseNames(fields: Fields, value: unknown, argument: string): void {
  const name = listOf(value).find((one) => typeof one === 'string' && Object.hasOwn(fields, one));
  if (typeof name === 'string') throw compared(name, argument);
}

function isAboutNull(value: unknown): boolean {
  const isNull = (one: unknown) => one === null || isMarker(one);
  if (isNull(value)) return true;
  return isMembers(value) && Object.entries(value).every(([name, one]) => isNull(one) && /^(equals|not)$/.test(name));
}

function compared(name: string, argument: string): KeyRotationError {
  return refused(
    `${argument} uses the encrypted field ${name}`,
    'The database has only its ciphertext, and each encryption of a value is another one. Compare in the application.',
  );
}
