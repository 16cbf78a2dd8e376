import pg from 'pg';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { rowFromJson } from '../../../src/format/row-from-json.ts';
import { census } from '../../../src/postgres/census.ts';
import { planRows } from '../../../src/postgres/job/plan-rows.ts';
import { openJob } from '../../../src/postgres/job/job.ts';
import { controlJobs, leftByLastReencryption } from '../../../src/postgres/job/job-control.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { writeRows } from '../../../src/postgres/job/write-rows.ts';
import { readBatch } from '../../../src/postgres/read-rows.ts';
import { oldBox } from '../../format/support/old-application.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { until } from '../../support/until.ts';
import { columnOf } from '../support/column-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

/* A jsonb column may hold several ciphertexts, each in a member of its own: each member has a job of its own. */

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 2);
});
afterAll(() => postgres.stop());

const DATA = { table: 'docs', column: 'doc', context: 'd:{id}' };
const SSN = { table: 'docs', column: 'doc', member: 'ssn', context: 's:{id}' };
const SMALL = { batchRows: 7, rangeRows: 12 };
const ROWS = 30;

interface Doc {
  readonly data: string;
  readonly ssn: string;
  readonly note: string;
}

function docOf(id: number, number = 1): Doc {
  const row = (text: string, context: string) => clinic.row(`${text} ${id}`, number, context).toString('base64');
  return { data: row('data', `d:${id}`), ssn: row('ssn', `s:${id}`), note: `note ${id}` };
}

beforeEach(async () => {
  await clinic.sql('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
  const docs = Array.from({ length: ROWS }, (_, index) => JSON.stringify(docOf(index + 1)));
  await clinic.table('docs', 'jsonb', docs, 'doc');
});

async function expectAllOpen(number: number, members: readonly ('data' | 'ssn')[] = ['data', 'ssn']): Promise<void> {
  for (const [id, value] of await clinic.values('docs', 'doc')) {
    for (const member of members) {
      const context = `${member === 'data' ? 'd' : 's'}:${id}`;
      expect(clinic.open(rowFromJson(value, member), number, context)).toBe(`${member} ${id}`);
    }
    expect(value).toMatchObject({ note: `note ${id}` });
  }
}

it('two members of one column are re-encrypted by one command, and each job is finished', async () => {
  const reports = await reencrypt(postgres, [DATA, SSN], clinic.keys, SMALL);
  expect(reports).toMatchObject([
    { isFinished: true, totals: { reencrypted: ROWS, left: 0 } },
    { isFinished: true, totals: { reencrypted: ROWS, left: 0 } },
  ]);
  await expectAllOpen(2);
  expect(await leftByLastReencryption(postgres, [DATA, SSN], 2)).toBe(0);
});

it('one member is finished while the other is still under the older key', async () => {
  expect(await clinic.reencrypt(SSN, SMALL)).toMatchObject({ isFinished: true, totals: { reencrypted: ROWS } });
  await expectAllOpen(2, ['ssn']);
  await expectAllOpen(1, ['data']);
  expect(await leftByLastReencryption(postgres, [SSN], 2)).toBe(0);
  expect(await leftByLastReencryption(postgres, [DATA, SSN], 2)).toBeUndefined();
});

it('each member resumes its own job', async () => {
  const first = await begun(DATA);
  expect(first).toMatchObject({ isFinished: false, ownReencrypted: 7 });
  const reports = await reencrypt(postgres, [SSN, DATA], clinic.keys, SMALL);
  expect(reports).toMatchObject([
    { isResumed: false, totals: { reencrypted: ROWS } },
    { isResumed: true, ownReencrypted: ROWS - 7, totals: { reencrypted: ROWS } },
  ]);
  await expectAllOpen(2);
});

/** The tables as version 4 made them, which had one job per column. */
async function toVersion4(): Promise<void> {
  await clinic.sql(
    `ALTER TABLE pazpaz_keys.job DROP COLUMN member, DROP COLUMN sources, ADD UNIQUE (table_id, column_name);
     ALTER TABLE pazpaz_keys.job ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;
     ALTER TABLE pazpaz_keys.range DROP COLUMN sources, DROP COLUMN written_in;
     DELETE FROM pazpaz_keys.migration WHERE version > 4`,
  );
}

async function begun(spec: typeof DATA) {
  const stop = new AbortController();
  const onBatch = () => {
    stop.abort();
  };
  return clinic.reencrypt(spec, { ...SMALL, connections: 1, onBatch, signal: stop.signal });
}

describe('tables of an older version', () => {
  it.each([
    ['a member', SSN],
    ['the default member', DATA],
  ])('keep the job on %s, and the other member gets one of its own', async (_, spec) => {
    await begun(spec);
    await toVersion4();
    const reports = await reencrypt(postgres, [DATA, SSN], clinic.keys, SMALL);
    expect(reports).toMatchObject([
      { isResumed: spec === DATA, isFinished: true, totals: { reencrypted: ROWS } },
      { isResumed: spec === SSN, isFinished: true, totals: { reencrypted: ROWS } },
    ]);
    await expectAllOpen(2);
  });

  it('are not altered while a process of that version works with them, which is named', async () => {
    await begun(DATA);
    await toVersion4();
    const worker = new pg.Client({ connectionString: postgres.url });
    await worker.connect();
    const session = await Connection.open(postgres);
    try {
      await worker.query('BEGIN; SELECT FROM pazpaz_keys.job FOR NO KEY UPDATE');
      const { rows } = await worker.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const holder = `a lock of pazpaz_keys.job of process ${rows[0]?.pid ?? ''} (role postgres)`;
      expect(await rejectionOf(controlJobs(postgres, undefined, {}))).toMatchObject({
        code: 'DATABASE_REFUSED',
        message: expect.stringContaining(`kept closed by ${holder}`) as string,
      });
      const waits: string[] = [];
      const onWait = (detail: string) => waits.push(detail);
      const opening = { target: 2, startOver: false, brakes: {}, onWait };
      const opened = openJob(session, await columnOf(postgres, SSN), opening);
      await until(() => Promise.resolve(waits.length > 0));
      expect(waits[0]).toBe(holder);
      await worker.query('UPDATE pazpaz_keys.range SET tries = tries; COMMIT');
      expect(await opened).toMatchObject({ isResumed: false });
    } finally {
      await session.close();
      await worker.end();
    }
    expect(await clinic.reencrypt(DATA, SMALL)).toMatchObject({ isResumed: true, totals: { reencrypted: ROWS } });
  });
});

it.each([
  ['a column', [DATA, { ...DATA, table: 'public.docs', context: 'other' }]],
  ['a member', [SSN, { ...SSN, context: 'other' }]],
  ['a column and its default member', [DATA, { ...DATA, member: 'data', context: 'other' }]],
])('%s that is named twice is refused', async (_, specs) => {
  const error = await rejectionOf(reencrypt(postgres, specs, clinic.keys));
  expect(error).toMatchObject({ code: 'INVALID_COLUMN', message: expect.stringContaining('named twice') as string });
});

it('older data that is one string goes to the context of the member that is listed first', async () => {
  const older = oldBox('data 1', { key: clinic.world.keyOf(1) }).toString('base64');
  await clinic.sql('UPDATE docs SET doc = $1 WHERE id = 1', [JSON.stringify(older)]);
  const reports = await reencrypt(postgres, [DATA, SSN], clinic.keys, SMALL);
  expect(reports).toMatchObject([
    { totals: { reencrypted: ROWS, left: 0 } },
    { totals: { reencrypted: ROWS - 1 }, left: [{ key: ['1'], code: 'TAMPERED_OR_WRONG_CONTEXT' }] },
  ]);
  const value = (await clinic.values('docs', 'doc')).get(1);
  expect(clinic.open(rowFromJson(value), 2, 'd:1')).toBe('data 1');
});

it.each([{ ssn: null }, {}])('an older object is not bound to the context of a member beside it: %j', async (ssn) => {
  const ciphertext = oldBox('data 1', { key: clinic.world.keyOf(1) }).toString('base64');
  const older = { version: 'v1', ciphertext, algorithm: 'AES-256-GCM', name: 'Zoe', ...ssn };
  await clinic.table('docs', 'jsonb', [JSON.stringify(older)], 'doc');
  expect((await clinic.reencrypt(SSN, SMALL)).totals).toMatchObject({ reencrypted: 0 });
  expect((await clinic.values('docs', 'doc')).get(1)).toEqual(older);
  expect((await clinic.reencrypt(DATA, SMALL)).totals).toMatchObject({ reencrypted: 1, left: 0 });
});

it('a member that is null has no value, and what is beside it is looked at', async () => {
  await clinic.sql(`UPDATE docs SET doc = doc || '{"ssn": null}' WHERE id = 1`);
  await clinic.sql(`UPDATE docs SET doc = doc - 'ssn' WHERE id = 2`);
  const [, ssn] = await reencrypt(postgres, [DATA, SSN], clinic.keys, SMALL);
  expect(ssn?.totals).toMatchObject({ reencrypted: ROWS - 2, empty: 1, left: 1 });
  const [data, counted] = await census(postgres, [DATA, SSN], clinic.keys);
  expect(data).toMatchObject({ numbered: { 2: ROWS }, unreadable: 0 });
  expect(counted).toMatchObject({ numbered: { 2: ROWS - 2 }, empty: 1, unreadable: 1, listed: [{ key: ['2'] }] });
  expect(counted?.besides).toEqual([]);
  const [alone] = await census(postgres, [SSN], clinic.keys);
  expect(alone?.besides).toMatchObject([{ column: 'doc' }]);
});

describe('jobs of two members that run at the same time', () => {
  it('lose no row of each other', async () => {
    const reports = await Promise.all([
      clinic.reencrypt(DATA, { batchRows: 3, rangeRows: 9 }),
      clinic.reencrypt(SSN, { batchRows: 5, rangeRows: 11 }),
    ]);
    expect(reports).toMatchObject([
      { isFinished: true, totals: { reencrypted: ROWS, left: 0 } },
      { isFinished: true, totals: { reencrypted: ROWS, left: 0 } },
    ]);
    await expectAllOpen(2);
  });

  it('leave a row to each other that the other one holds, or has written since it was read', async () => {
    const [one, other] = [await Connection.open(postgres), await Connection.open(postgres)];
    try {
      const read = async (session: Connection, spec: typeof DATA) => {
        const column = await columnOf(postgres, spec);
        const rows = await readBatch(session, column, { after: undefined, upTo: undefined }, { rows: 5, bytes: 1e6 });
        return { column, ...planRows(column, rows, clinic.keys, clinic.keys.requireTarget()) };
      };
      const data = await read(one, DATA);
      const ssn = await read(other, SSN);
      await one.transaction(async () => {
        expect(await writeRows(one, data.column, data.changes)).toMatchObject({ written: 5, lost: [] });
        expect(await writeRows(other, ssn.column, ssn.changes)).toMatchObject({ written: 0, lost: ssn.changes });
      });
      expect(await writeRows(other, ssn.column, ssn.changes)).toMatchObject({ written: 0, lost: ssn.changes });
    } finally {
      await Promise.all([one.close(), other.close()]);
    }
    await reencrypt(postgres, [SSN, DATA], clinic.keys, SMALL);
    await expectAllOpen(2);
  });
});
