import { cellOf } from './encrypted-column.ts';
import { isMarker, isMembers, refused, type Fields, type Members, type PrismaRefusals } from './prisma-refusals.ts';

interface Call {
  readonly model: string;
  readonly fields: Fields;
  readonly refusals: PrismaRefusals;
}

/** Throws `INVALID_COLUMN` for arguments that would write a plaintext or compare a ciphertext. */
export function encryptedArguments(
  refusals: PrismaRefusals,
  { model, operation, args }: { readonly model: string; readonly operation: string; readonly args: unknown },
): unknown {
  if (!isMembers(args)) return args;
  const call = { model, fields: refusals.fieldsOf(model), refusals };
  const where = isMembers(args['where']) ? args['where'] : {};
  const isUpdate = operation.startsWith('update');
  const changed: Record<string, unknown> = { ...args };
  for (const [name, value] of Object.entries(args)) {
    if (name === 'data')
      changed[name] = Array.isArray(value)
        ? value.map((data) => encryptedData(call, data, data))
        : encryptedData(call, value, isUpdate ? where : value, isUpdate);
    else if (name === 'create') changed[name] = encryptedData(call, value, value);
    else if (name === 'update') changed[name] = encryptedData(call, value, where, true);
    else if (name === 'select' || name === 'include') call.refusals.selection(value);
    // omit and _count name fields without comparing them.
    else if (name !== 'omit' && name !== '_count') call.refusals.comparison(call.fields, value, name);
  }
  return changed;
}

function encryptedData({ model, fields, refusals }: Call, data: unknown, row: unknown, isUpdate = false): unknown {
  if (!isMembers(data)) return data;
  if (isUpdate) refuseMovedRow(fields, data);
  const entries = Object.entries(data).map(([name, value]) => {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) {
      refusals.nestedWrite(value);
      refusals.relink(model, name, value, isUpdate);
      return [name, value];
    }
    // A Json field takes no operations: there, { set: … } is a document.
    const isOperation =
      isMembers(value) && isUpdate && field.storage !== 'jsonb' && Object.keys(value).join() === 'set';
    const given = isOperation ? value['set'] : value;
    if (given === null || given === undefined || isMarker(given)) return [name, given];
    const how = () => {
      const keys = field.rowColumns.join(' and ');
      return isUpdate
        ? `Update one row, with where: { ${keys} }: each row's value has a ciphertext of its own.`
        : `Give ${keys} in data: make the key first (crypto.randomUUID()) if the database would generate it.`;
    };
    const context = field.contextToWrite(isMembers(row) ? row : {}, how);
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
