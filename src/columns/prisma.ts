import type { EncryptedColumn } from './encrypted-column.ts';
import { encryptedArguments } from './prisma-arguments.ts';
import { PrismaRefusals, type EncryptedModels } from './prisma-refusals.ts';

export { encryptedBytes, encryptedJson, encryptedText } from './column-builders.ts';
export { UnreadableColumnError, type ColumnRing, type ColumnStorage } from './encrypted-column.ts';
export type { EncryptedColumn, EncryptedColumnOptions } from './encrypted-column.ts';
export type { EncryptedModels };

interface Operation {
  readonly model: string;
  readonly operation: string;
  readonly args: unknown;
  readonly query: (args: unknown) => Promise<unknown>;
}

interface ReadField {
  readonly needs: Readonly<Record<string, boolean>>;
  readonly compute: (row: Readonly<Record<string, unknown>>) => unknown;
}

export interface EncryptedFieldsExtension {
  readonly name: string;
  readonly query: { readonly $allModels: { readonly $allOperations: (operation: Operation) => Promise<unknown> } };
  /** Its members are not declared: Prisma would take the fields' types from them, and they are those of the model. */
  // eslint-disable-next-line @typescript-eslint/no-generated-empty-object-type -- with object, a client loses its models
  readonly result: Readonly<Record<never, never>>;
}

/**
 * A client extension that encrypts what is written to fields and decrypts what is read:
 * `prisma.$extends(encryptedFields({ Patient: { notes: encryptedText({ ring, storage: 'text', context: 'patients:{id}:notes' }) } }))`.
 *
 * Await `ring.warm()` before the first query: a field is decrypted when it is first accessed, and that cannot wait. A
 * context of the row names fields of the model, which a write needs in `data`, or in `where` of an update. Filters and orders
 * by an encrypted field, nested writes to one, and updates of many rows under a context of the row are refused with
 * `INVALID_COLUMN`. Raw queries are not seen.
 */
export function encryptedFields(models: EncryptedModels): EncryptedFieldsExtension {
  const refusals = new PrismaRefusals(models);
  return {
    name: 'pazpaz-key-rotation',
    query: {
      $allModels: {
        // Async, so that a refusal rejects as any failed query does.
        $allOperations: async ({ model, operation, args, query }) =>
          query(encryptedArguments(refusals, { model, operation, args })),
      },
    },
    result: Object.fromEntries(
      Object.entries(models).map(([model, fields]) => [
        model.charAt(0).toLowerCase() + model.slice(1),
        Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, readField(name, field)])),
      ]),
    ),
  };
}

function readField(name: string, field: EncryptedColumn<unknown>): ReadField {
  return {
    needs: Object.fromEntries([name, ...field.rowColumns].map((needed) => [needed, true])),
    compute: (row) => {
      const cell = row[name];
      if (cell === null || cell === undefined) return cell;
      return field.decryptSync(
        cell,
        field.contextOfRow(row, () => `Select ${field.rowColumns.join(' and ')}, too.`),
      );
    },
  };
}
