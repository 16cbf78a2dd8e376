import { join } from 'node:path';
import { census, type CensusOptions } from '../../src/postgres/census.ts';
import { builtPrograms } from '../support/built.ts';
import { Clinic, startPostgres, type Value } from './support/clinic.ts';
import type { Postgres } from './support/postgres.ts';

let postgres: Postgres;
let clinic: Clinic;
let thread: string;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
  thread = join(await builtPrograms(), 'cli/tally-thread.mjs');
});
afterAll(() => postgres.stop());

const SPEC = { table: 'patients', column: 'notes', context: 'p:{id}' };

function counted(options: CensusOptions) {
  return census(postgres, [SPEC], clinic.keys, { rangeBytes: 8192 * 8, ...options });
}

/** One of each kind of value, and many of them. */
function values(encode: (row: Buffer) => Value): readonly Value[] {
  return Array.from({ length: 400 }, (_, index) => {
    const context = `p:${index + 1}`;
    const kinds: readonly Value[] = [
      encode(clinic.row('first', 1, context)),
      encode(clinic.row('current', 3, context)),
      encode(clinic.row('x'.repeat(3000), 2, context)),
      encode(clinic.row('no number', 0, context)),
      encode(clinic.row(clinic.row('inner', 1).toString('base64'), 3, context)),
      encode(clinic.row('elsewhere', 2, 'other')),
      encode(Buffer.alloc(40, index)),
      null,
    ];
    return kinds[index % kinds.length] ?? null;
  });
}

describe('a census whose connections have threads', () => {
  it.each<[string, (row: Buffer) => Value]>([
    ['bytea', (row) => row],
    ['text', (row) => row.toString('base64')],
    ['jsonb', (row) => JSON.stringify({ data: row.toString('base64'), other: 'value' })],
  ])('counts %s as one connection without a thread does', async (type, encode) => {
    await clinic.table('patients', type, values(encode));
    const [alone] = await counted({});
    const [shared] = await counted({ connections: 3, thread });
    const sorted = [...(shared?.listed ?? [])].sort((one, other) => Number(one.key[0]) - Number(other.key[0]));
    expect({ ...shared, listed: sorted }).toEqual(alone);
    expect(alone).toMatchObject({ rows: 400, nulls: 50, unreadable: 100 });
  });

  it('counts values that are larger than what is sent at once, and rows of none', async () => {
    const large = [1, 2, 3].map((id) => clinic.row('x'.repeat(3_000_000), 2, `p:${id}`));
    await clinic.table('patients', 'bytea', [...large, Buffer.alloc(0), null]);
    expect(await counted({ connections: 2, thread })).toMatchObject([
      { rows: 5, nulls: 1, empty: 1, numbered: { 2: 3 } },
    ]);
    await clinic.table('patients', 'bytea', []);
    expect(await counted({ connections: 2, thread })).toMatchObject([{ rows: 0 }]);
  });

  it('ends with the reason of its signal', async () => {
    await clinic.table('patients', 'bytea', [clinic.row('note', 3, 'p:1')]);
    await clinic.sql('INSERT INTO patients SELECT 1 + n, notes FROM patients CROSS JOIN generate_series(1, 20000) n');
    const stop = new AbortController();
    const onBatch = () => {
      stop.abort(new Error('enough'));
    };
    await expect(counted({ connections: 2, thread, signal: stop.signal, onBatch })).rejects.toThrow('enough');
  });

  it('ends with an error where the program of its threads is not there', async () => {
    await expect(counted({ connections: 2, thread: '/nowhere/none.mjs' })).rejects.toThrow('none.mjs');
  });
});
