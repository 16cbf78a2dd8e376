import { encryptedBytes, encryptedFields, encryptedJson, encryptedText } from '../../src/columns/prisma.ts';
import { describeColumns, type Patient } from '../columns/support/column-contract.ts';

/*
 * The cases of every column type, in Prisma 7. `npm run test:compat` generates a client, which is no part of `npm ci`, and
 * runs this with the folder of that client in PRISMA_PROJECT.
 */

/** The part of a generated model's methods that is used here. */
interface Patients {
  create(given: { readonly data: object }): Promise<unknown>;
  findMany(given: { readonly orderBy: object }): Promise<readonly Patient[]>;
  findUnique(given: { readonly where: object; readonly select: object }): Promise<Patient | null>;
  update(given: { readonly where: object; readonly data: object }): Promise<unknown>;
}

interface Prisma {
  $extends(extension: object): Readonly<Record<string, Patients>>;
  $disconnect(): Promise<void>;
}

interface Packages {
  readonly PrismaClient: new (options: object) => Prisma;
  readonly PrismaPg: new (options: object) => object;
}

const project = process.env['PRISMA_PROJECT'] ?? '';
// eslint-disable-next-line @typescript-eslint/no-require-imports -- Jest loads CommonJS.
const load = (path: string): unknown => require(`${project}/${path}`);
const { PrismaClient, PrismaPg } = load('columns-client.cjs') as Packages;

const MODELS = { bytea: 'PatientInBytea', text: 'PatientInText', jsonb: 'PatientInJsonb' } as const;

describeColumns({
  name: 'Prisma',
  waits: false,
  contextOf: (column, id) => `patients:${id}:${column}`,
  open: (url, storage, ring) => {
    const column = (name: string) => ({ ring, context: `patients:{id}:${name}`, storage });
    const plain = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
    const model = MODELS[storage];
    const prisma = plain.$extends(
      encryptedFields({
        [model]: {
          notes: encryptedText(column('notes')),
          scan: encryptedBytes(column('scan')),
          allergies: encryptedJson(column('allergies')),
        },
      }),
    );
    const patients = prisma[`p${model.slice(1)}`];
    if (patients === undefined) throw new Error(`The client has no model ${model}.`);
    return {
      add: (patient) => patients.create({ data: withoutNull(patient) }),
      // A field is decrypted when it is accessed.
      all: async () =>
        (await patients.findMany({ orderBy: { id: 'asc' } })).map(({ id, notes, scan, allergies }) => ({
          ...{ id, notes, scan, allergies },
        })),
      notesOf: async (id) => (await patients.findUnique({ where: { id }, select: { notes: true } }))?.notes,
      setNotes: (id, notes) => patients.update({ where: { id }, data: { notes } }),
      close: () => plain.$disconnect(),
    };
  },
});

function withoutNull(patient: Patient): object {
  return Object.fromEntries(Object.entries(patient).filter(([, value]) => value !== null));
}
