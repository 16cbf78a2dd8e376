import 'reflect-metadata';
import { DataSource, EntitySchema, EntitySchemaOptions } from 'typeorm';
import type { ColumnRing, ColumnStorage } from '../../src/columns/encrypted-column.ts';
import { encryptedBytes, encryptedJson, encryptedText } from '../../src/columns/typeorm.ts';
import { describeColumns, type Patient } from './support/column-contract.ts';

function patientsEntity(storage: ColumnStorage, ring: () => ColumnRing): EntitySchema<Patient> {
  const column = (context: string) => ({ ring, context, storage });
  const options = Object.assign(new EntitySchemaOptions<Patient>(), {
    name: `patients_${storage}`,
    columns: {
      id: { type: 'int', primary: true },
      notes: { ...encryptedText(column('patients.notes')), nullable: true },
      scan: { ...encryptedBytes(column('patients.scan')), nullable: true },
      allergies: { ...encryptedJson(column('patients.allergies')), nullable: true },
    },
  });
  return new EntitySchema<Patient>(options);
}

describeColumns({
  name: 'TypeORM',
  waits: false,
  contextOf: (column) => `patients.${column}`,
  open: async (url, storage, ring) => {
    const entity = patientsEntity(storage, ring);
    const source = await new DataSource({ type: 'postgres', url, entities: [entity] }).initialize();
    const patients = source.getRepository(entity);
    return {
      add: (patient) => patients.insert({ ...patient }),
      all: () => patients.find({ order: { id: 'ASC' } }),
      notesOf: async (id) => (await patients.findOne({ where: { id }, select: { id: true, notes: true } }))?.notes,
      setNotes: async (id, notes) => {
        const patient = await patients.findOneByOrFail({ id });
        await patients.save({ ...patient, notes });
      },
      close: () => source.destroy(),
    };
  },
});

test('a context that needs the row is refused, because TypeORM does not show it', () => {
  const ring = () => {
    throw new Error('not opened');
  };
  expect(() => encryptedText({ ring, context: 'patients:{id}:notes' })).toThrow(
    "needs the row's id, but TypeORM shows",
  );
});
