import { KeyRotationError } from '../format/error.ts';
import { cellOf, type EncryptedColumn } from './encrypted-column.ts';

/** Encrypted fields by model and name, as the Prisma schema spells them. */
export type EncryptedModels = Readonly<Record<string, Readonly<Record<string, EncryptedColumn<unknown>>>>>;

type Members = Readonly<Record<string, unknown>>;
type Fields = Readonly<Record<string, EncryptedColumn<unknown>>>;

/** Arguments in which a field's name does not compare its values. */
const SELECTIONS: readonly string[] = ['select', 'omit', 'include', '_count'];
const COMBINATIONS: readonly string[] = ['AND', 'OR', 'NOT'];

/**
 * The arguments of an operation, with ciphertexts in place of the values of encrypted fields. Throws `INVALID_COLUMN` for
 * what would write a plaintext or compare a ciphertext.
 */
export function encryptedArguments(
  models: EncryptedModels,
  { model, operation, args }: { readonly model: string; readonly operation: string; readonly args: unknown },
): unknown {
  if (!isMembers(args)) return args;
  const fields = models[model] ?? {};
  const everywhere: Fields = Object.assign({}, ...Object.values(models)) as Fields;
  const where = isMembers(args['where']) ? args['where'] : {};
  const isUpdate = operation.startsWith('update');
  const changed: Record<string, unknown> = { ...args };
  for (const [name, value] of Object.entries(args)) {
    if (name === 'data')
      changed[name] = Array.isArray(value)
        ? value.map((data) => encryptedData(fields, everywhere, data, data))
        : encryptedData(fields, everywhere, value, isUpdate ? where : value, isUpdate);
    else if (name === 'create') changed[name] = encryptedData(fields, everywhere, value, value);
    else if (name === 'update') changed[name] = encryptedData(fields, everywhere, value, where, true);
    else if (!SELECTIONS.includes(name)) refuseComparison(fields, everywhere, value, name);
  }
  return changed;
}

function encryptedData(fields: Fields, everywhere: Fields, data: unknown, row: unknown, isUpdate = false): unknown {
  if (!isMembers(data)) return data;
  if (isUpdate) refuseMovedRow(fields, data);
  const entries = Object.entries(data).map(([name, value]) => {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) {
      refuseNested(everywhere, value);
      return [name, value];
    }
    const given = isMembers(value) && isUpdate && Object.keys(value).join() === 'set' ? value['set'] : value;
    if (given === null || given === undefined) return [name, given];
    const keys = field.rowColumns.join(' and ');
    const how = isUpdate
      ? `Update one row, with where: { ${keys} }: each row's value has a ciphertext of its own.`
      : `Give ${keys} in data: make the key first (crypto.randomUUID()) if the database would generate it.`;
    const context = field.contextOfRow(isMembers(row) ? row : {}, how);
    return [name, cellOf(field.encrypt(given, context), field.storage)];
  });
  return Object.fromEntries(entries) as Members;
}

function refuseMovedRow(fields: Fields, data: Members): void {
  for (const [name, field] of Object.entries(fields)) {
    const key = field.rowColumns.find((one) => data[one] !== undefined);
    if (key !== undefined)
      throw refused(
        `${key}, under which ${name} is encrypted, would change`,
        'Create a row with the new key and delete the old one.',
      );
  }
}

/** A relation's own create or update: which model it is about is not known here. */
function refuseNested(everywhere: Fields, value: unknown): void {
  if (Array.isArray(value)) for (const one of value) refuseNested(everywhere, one);
  if (!isMembers(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    if (Object.hasOwn(everywhere, name) && inner !== null && inner !== undefined)
      throw refused(`a nested write names ${name}`, 'Write that row with its own model, in the same transaction.');
    refuseNested(everywhere, inner);
  }
}

/** `fields`: of the model itself. Inside a relation every encrypted field's name counts. */
function refuseComparison(fields: Fields, everywhere: Fields, value: unknown, argument: string): void {
  if (typeof value === 'string' && Object.hasOwn(fields, value)) throw compared(value, argument);
  if (Array.isArray(value)) for (const one of value) refuseComparison(fields, everywhere, one, argument);
  if (!isMembers(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    if (Object.hasOwn(fields, name) && inner !== undefined) {
      if (!isAboutNull(inner)) throw compared(name, argument);
    } else refuseComparison(COMBINATIONS.includes(name) ? fields : everywhere, everywhere, inner, argument);
  }
}

function isAboutNull(value: unknown): boolean {
  if (value === null) return true;
  return isMembers(value) && Object.entries(value).every(([name, one]) => one === null && /^(equals|not)$/.test(name));
}

function compared(name: string, argument: string): KeyRotationError {
  return refused(
    `${argument} uses the encrypted field ${name}`,
    'The database has only its ciphertext, and each encryption of a value is another one. Compare in the application.',
  );
}

function refused(what: string, how: string): KeyRotationError {
  return new KeyRotationError('INVALID_COLUMN', `This query was not sent: ${what}. ${how}`);
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
