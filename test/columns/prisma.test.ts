import { encryptedFields, encryptedJson, encryptedText } from '../../src/columns/prisma.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';

/*
 * The extension by itself: what it hands to Prisma's query, and what it makes of a row. `npm run test:compat` runs it in
 * Prisma 7, whose generator is no part of `npm ci`.
 */

let ring: KeyRing;
beforeAll(async () => {
  ring = await KeyRing.forTest();
});
afterAll(() => {
  ring.close();
});

interface Read {
  readonly needs: object;
  readonly compute: (row: object) => unknown;
}

const extension = encryptedFields({
  Patient: {
    notes: encryptedText({ ring: () => ring, storage: 'text', context: 'patients:{id}:notes' }),
    allergies: encryptedJson({ ring: () => ring, storage: 'jsonb', context: 'patients.allergies' }),
  },
  Visit: { text: encryptedText({ ring: () => ring, context: 'visits:{patientId}:text' }) },
});
const { query } = extension;
/** Its members are not declared. */
const { result } = extension as object as { readonly result: Readonly<Record<string, Readonly<Record<string, Read>>>> };

/** The arguments that reach Prisma. */
async function sent(operation: string, args: object, model = 'Patient'): Promise<unknown> {
  return query.$allModels.$allOperations({ model, operation, args, query: (given) => Promise.resolve(given) });
}

test('a field is written as its ciphertext, and read again where it is accessed', async () => {
  const args = await sent('create', { data: { id: 7, notes: 'Patient has diabetes', allergies: { pollen: true } } });
  const { data } = args as { readonly data: Readonly<Record<string, unknown>> };
  expect(JSON.stringify(data)).not.toMatch(/diabetes|pollen/);
  const fields = result['patient'];
  expect(fields?.['notes']?.needs).toEqual({ notes: true, id: true });
  expect(fields?.['notes']?.compute(data)).toBe('Patient has diabetes');
  expect(fields?.['allergies']?.compute(data)).toEqual({ pollen: true });
  expect(fields?.['notes']?.compute({ id: 7, notes: null })).toBeNull();
  expect(() => fields?.['notes']?.compute({ ...data, id: 8 })).toThrow('"patients:8:notes" cannot be read');
});

test.each<[string, string, object, string]>([
  ['a bulk update', 'updateMany', { data: { notes: 'same' } }, 'Update one row'],
  ['an update by another field', 'update', { where: { email: 'a' }, data: { notes: 'x' } }, 'Update one row'],
  ['a new key', 'update', { where: { id: 7 }, data: { id: 8 } }, 'would change'],
  ['a generated key', 'create', { data: { notes: 'x' } }, 'make the key first'],
  [
    'a UUID in capitals',
    'update',
    { where: { id: 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11' }, data: { notes: 'x' } },
    'spelling',
  ],
  ['a filter', 'findMany', { where: { notes: 'x' } }, 'Compare in the application'],
  ['a filter in another', 'count', { where: { NOT: [{ notes: { contains: 'x' } }] } }, 'Compare in the application'],
  ['an order', 'findMany', { orderBy: [{ notes: 'asc' }] }, 'Compare in the application'],
  ['a group', 'groupBy', { by: ['notes'] }, 'Compare in the application'],
  ['an aggregate', 'aggregate', { _max: { notes: true } }, 'Compare in the application'],
  ['a list of fields', 'findMany', { distinct: 'notes' }, 'Compare in the application'],
  [
    'the field as a value',
    'findMany',
    { where: { ward: { equals: { modelName: 'Patient', name: 'notes' } } } },
    'Compare in the application',
  ],
  ['a relation with a filter', 'findMany', { include: { visits: { where: { text: 'x' } } } }, 'uses the encrypted'],
  ['a relation with an order', 'findMany', { select: { visits: { orderBy: { text: 'asc' } } } }, 'uses the encrypted'],
  [
    'a deeper relation with a filter',
    'findMany',
    { select: { ward: { include: { patients: { where: { NOT: { notes: 'x' } } } } } } },
    'uses the encrypted',
  ],
  [
    'a count of a relation with a filter',
    'findMany',
    { include: { _count: { select: { visits: { where: { text: 'x' } } } } } },
    'uses the encrypted',
  ],
  [
    'a nested update of a key',
    'update',
    { where: { id: 7 }, data: { visits: { updateMany: { where: {}, data: { patientId: 9 } } } } },
    'under which',
  ],
  ['another row linked', 'update', { where: { id: 7 }, data: { visits: { set: [{ id: 1 }] } } }, 'under which'],
  ['a nested write', 'update', { where: { id: 7 }, data: { friends: { create: { notes: 'x' } } } }, 'its own model'],
])('%s is refused', async (_name, operation, args, words) => {
  await expect(sent(operation, args)).rejects.toMatchObject({
    code: 'INVALID_COLUMN',
    message: expect.stringContaining(words) as string,
  });
});

test.each<[string, string, object]>([
  ['a filter for NULL', 'findMany', { where: { notes: null, allergies: { not: null } }, orderBy: { id: 'asc' } }],
  ['a selection', 'findMany', { select: { notes: true }, omit: { allergies: true } }],
  ['an update of other fields', 'updateMany', { data: { ward: 'west' } }],
  ['NULL', 'updateMany', { data: { notes: null } }],
  ["a value that is a field's name", 'findMany', { where: { ward: 'notes', name: { contains: 'notes' } } }],
  ["a document with a field's name", 'create', { data: { meta: { notes: 'hello' } } }],
  ['a filter by such a document', 'findMany', { where: { meta: { path: ['notes'], equals: { notes: 'x' } } } }],
  ['a relation that is selected', 'findMany', { include: { visits: { where: { id: 1 }, select: { text: true } } } }],
  ['another relation linked', 'update', { where: { id: 7 }, data: { doctor: { connect: { id: 3 } } } }],
])('%s is handed on as it is', async (_name, operation, args) => {
  expect(await sent(operation, args)).toEqual(args);
});

/** As Prisma's own null values are: without a member, and named by their text. */
class PrismaNull {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  toString(): string {
    return `Prisma.${this.#name}`;
  }
}

test('a Json field takes the null values of Prisma, in data and in conditions', async () => {
  const [dbNull, anyNull] = [new PrismaNull('DbNull'), new PrismaNull('AnyNull')];
  for (const [operation, args] of [
    ['create', { data: { id: 7, allergies: dbNull } }],
    ['update', { where: { id: 7 }, data: { allergies: dbNull, notes: null } }],
    ['findMany', { where: { allergies: { equals: anyNull } } }],
    ['count', { where: { NOT: { allergies: { not: dbNull } } } }],
  ] as const)
    expect(await sent(operation, args)).toStrictEqual(args);
});

test('a document of a Json field whose only member is set is a document', async () => {
  const args = await sent('update', { where: { id: 7 }, data: { allergies: { set: 5 }, notes: { set: 'x' } } });
  const { data } = args as { readonly data: object };
  expect(result['patient']?.['allergies']?.compute(data)).toEqual({ set: 5 });
  expect(result['patient']?.['notes']?.compute({ ...data, id: 7 })).toBe('x');
});

test('a value that JSON cannot have is refused with a code', async () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  for (const allergies of [1n, cycle, () => 1])
    await expect(sent('create', { data: { allergies } })).rejects.toMatchObject({ code: 'INVALID_TEXT' });
});

test('a link that moves the row to another key is refused, and one that creates it is not', async () => {
  const data = { id: 1, patient: { connect: { id: 2 } } };
  await expect(sent('update', { where: { id: 1 }, data }, 'Visit')).rejects.toThrow('may change patientId');
  expect(await sent('create', { data }, 'Visit')).toEqual({ data });
});

test('another model is not touched, except where it filters by or writes to this one', async () => {
  const args = { where: { title: 'x' }, data: { title: 'y' } };
  expect(await sent('update', args, 'Ward')).toEqual(args);
  await expect(sent('findMany', { where: { patients: { some: { notes: 'x' } } } }, 'Ward')).rejects.toThrow('notes');
});
