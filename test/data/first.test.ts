import { encryptField } from '../../src/keyring/field.ts';
import { toKeyNumber } from '../../src/keyring/key-number.ts';
import { census } from '../../src/data/census.ts';
import { reencrypt } from '../../src/data/reencrypt.ts';
import { startPostgres, type Postgres } from './postgres.ts';
import { RingWorld, ringKeys } from './ring.ts';

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
}, 30_000);
afterAll(() => postgres.stop());

it('brings rows to the current key', async () => {
  const world = await RingWorld.withKeys(2);
  await postgres.client.query('CREATE TABLE patients (id int PRIMARY KEY, notes bytea)');
  for (let id = 1; id <= 100; id += 1) {
    const number = toKeyNumber(id <= 50 ? 1 : 2);
    const row = encryptField(`note ${id}`, world.keyOf(number), `patients:${id}:notes`, { number });
    await postgres.client.query('INSERT INTO patients VALUES ($1, $2)', [id, row]);
  }
  const keys = await ringKeys(world);
  const spec = { table: 'patients', column: 'notes', context: 'patients:{id}:notes' };
  console.log(JSON.stringify(await census(postgres, [spec], keys)));
  console.log(JSON.stringify(await reencrypt(postgres, [spec], keys, { batchRows: 7, rangeRows: 20 })));
  console.log(JSON.stringify(await census(postgres, [spec], keys)));
  console.log(JSON.stringify(await reencrypt(postgres, [spec], keys)));
});
