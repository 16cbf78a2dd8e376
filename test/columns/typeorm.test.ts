import 'reflect-metadata';
import {
  And,
  Between,
  DataSource,
  EntitySchema,
  EntitySchemaOptions,
  Equal,
  In,
  IsNull,
  Like,
  MoreThan,
  Not,
  type FindOptionsWhere,
  type Repository,
} from 'typeorm';
import type { ColumnRing, ColumnStorage } from '../../src/columns/encrypted-column.ts';
import { encryptedBytes, encryptedJson, encryptedText } from '../../src/columns/typeorm.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';
import { startPostgres, type Postgres } from '../postgres/support/postgres.ts';
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

describe.each<ColumnStorage>(['bytea', 'text', 'jsonb'])('a condition on an encrypted column, %s', (storage) => {
  let postgres: Postgres;
  let ring: KeyRing;
  let source: DataSource;
  let patients: Repository<Patient>;
  beforeAll(async () => {
    postgres = await startPostgres();
    ring = await KeyRing.forTest();
    const entity = patientsEntity(storage, () => ring);
    source = await new DataSource({
      ...{ type: 'postgres', url: postgres.url, entities: [entity], synchronize: true, cache: true },
    }).initialize();
    patients = source.getRepository(entity);
    await patients.insert([{ id: 1, notes: 'one' }, { id: 2 }]);
  });
  afterAll(async () => {
    await source.destroy();
    ring.close();
    await postgres.stop();
  });

  test.each<[string, FindOptionsWhere<Patient> | FindOptionsWhere<Patient>[]]>([
    ['a value', { notes: 'one' }],
    ['a value in one of several', [{ id: 1 }, { notes: 'one' }]],
    ['Equal', { notes: Equal('one') }],
    ['Not', { notes: Not('one') }],
    ['Not of an operator', { notes: Not(Equal('one')) }],
    ['Like', { notes: Like('o%') }],
    ['MoreThan', { notes: MoreThan('a') }],
    ['In', { notes: In(['one', 'two']) }],
    ['Between', { notes: Between('a', 'z') }],
    ['Not of In', { notes: Not(In(['one'])) }],
    ['In beside another condition', { id: 1, notes: And(In(['one']), Not(IsNull())) }],
  ])('%s is refused with words', async (_name, where) => {
    await expect(patients.find({ where })).rejects.toMatchObject({
      code: 'INVALID_COLUMN',
      message: expect.stringContaining('each encryption has a random nonce') as string,
    });
  });

  test('about NULL is allowed, and the condition of an update is refused, too', async () => {
    expect(await patients.findBy({ notes: IsNull() })).toMatchObject([{ id: 2 }]);
    expect(await patients.findBy({ notes: Not(IsNull()) })).toMatchObject([{ id: 1, notes: 'one' }]);
    await expect(patients.update({ notes: 'one' }, { notes: 'two' })).rejects.toMatchObject({ code: 'INVALID_COLUMN' });
    await expect(patients.delete({ notes: 'one' })).rejects.toMatchObject({ code: 'INVALID_COLUMN' });
    expect(await patients.findOneBy({ id: 1 })).toMatchObject({ notes: 'one' });
  });

  test('In is refused where rows are counted or looked for, and with a query builder', async () => {
    // A function each, because TypeORM changes the operator that it is given.
    const where = () => ({ notes: In(['one']) });
    for (const find of [
      () => patients.countBy(where()),
      () => patients.existsBy(where()),
      () => patients.findAndCountBy(where()),
      () => patients.createQueryBuilder().where(where()).getMany(),
    ])
      await expect(find()).rejects.toMatchObject({ code: 'INVALID_COLUMN' });
  });

  // TypeORM writes only the parameters of a SELECT as JSON. Those of a jsonb column were JSON in every insert.
  test('In of an update or delete changes no row', async () => {
    for (const change of [
      () => patients.delete({ notes: In(['one']) }),
      () => patients.update({ notes: In(['one']) }, { notes: 'two' }),
    ]) {
      if (storage === 'jsonb') await expect(change()).rejects.toMatchObject({ code: 'INVALID_COLUMN' });
      else expect(await change()).toMatchObject({ affected: 0 });
    }
    expect(await patients.findOneBy({ id: 1 })).toMatchObject({ notes: 'one' });
  });

  test('a log may write the parameters of an insert as JSON', async () => {
    const logged: string[] = [];
    const logQuery = (_query: string, parameters?: unknown) => logged.push(JSON.stringify(parameters));
    const spy = jest.spyOn(source.logger, 'logQuery').mockImplementation(logQuery);
    await patients.insert({ id: 3, notes: 'three' });
    await patients.delete({ id: 3 });
    spy.mockRestore();
    expect(logged.join()).not.toContain('three');
  });

  test('a cached result holds the ciphertext, and is read', async () => {
    const query = { where: { id: 1 }, cache: { id: 'cached', milliseconds: 60_000 } };
    for (const read of ['from the table', 'from the cache'])
      expect([read, await patients.findOne(query)]).toMatchObject([read, { notes: 'one' }]);
    const { rows } = await postgres.client.query<{ result: string }>('SELECT result FROM "query-result-cache"');
    expect(rows).toHaveLength(1);
    expect(rows[0]?.result).not.toContain('one');
  });

  test('a value that changes is written, whatever the library compares it with', async () => {
    const patient = await patients.findOneByOrFail({ id: 1 });
    await patients.save({ ...patient, notes: 'two' });
    expect(await patients.findOneBy({ id: 1 })).toMatchObject({ notes: 'two' });
    await patients.save({ ...patient, notes: 'one' });
    expect(await patients.findOneBy({ id: 1 })).toMatchObject({ notes: 'one' });
  });
});

test('a context that needs the row is refused, because TypeORM does not show it', () => {
  const ring = () => {
    throw new Error('not opened');
  };
  expect(() => encryptedText({ ring, context: 'patients:{id}:notes' })).toThrow(
    "needs the row's id, but TypeORM shows",
  );
});
