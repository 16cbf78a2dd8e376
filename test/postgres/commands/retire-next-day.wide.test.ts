import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringBefore, type TestRing } from '../../support/ring.ts';
import { patientRow as row } from '../support/patients.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

/** A key is kept for a day after a row of it was re-encrypted, wherever the row is by then and whoever asks. */

jest.setTimeout(60_000);

let postgres: Postgres;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  await postgres.client.query(`CREATE ROLE job_role LOGIN; CREATE ROLE counting LOGIN;
    GRANT CREATE ON DATABASE postgres TO job_role; GRANT pg_read_all_stats TO counting`);
});
beforeEach(async () => {
  await postgres.client.query(
    'DROP SCHEMA IF EXISTS pazpaz_keys CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public',
  );
  await postgres.client.query('GRANT USAGE ON SCHEMA public TO PUBLIC');
});
afterEach(stopServices);
afterAll(() => postgres.stop());

const sql = (text: string) => postgres.client.query(text);

function run(ring: TestRing, role: string, command: readonly string[], table: string, column = 'notes') {
  const args = [...command, '--table', table, '--column', column, '--context', 'patients:{id}:notes'];
  return pazpazKeys(ring, args, { environment: { DATABASE_URL: postgres.url.replace('postgres@', `${role}@`) } });
}

/** A ring whose key 1 has a row in `table`, which `role` has just re-encrypted. */
async function justReencrypted(make: string, table = 'patients', role = 'postgres'): Promise<TestRing> {
  // The database says when a row was re-encrypted.
  const ring = await ringBefore(25 * HOUR, 1, previous(2), current(3));
  await sql(make);
  await postgres.client.query('INSERT INTO patients (id, notes) VALUES (1, $1)', [row('note', 1, 1)]);
  await sql('GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO job_role, counting');
  await ring.service.advance(25 * HOUR);
  expect(await run(ring, role, ['reencrypt'], table)).toMatchObject({ exitCode: 0 });
  return ring;
}

const PLAIN = 'CREATE TABLE patients (id int PRIMARY KEY, notes bytea)';

it.each([
  [
    'in a partition, although its table is listed now',
    `${PLAIN} PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF patients FOR VALUES FROM (0) TO (100)`,
    'part',
    'SELECT',
  ],
  ['in a column that was renamed since', PLAIN, 'patients', 'ALTER TABLE patients RENAME notes TO remarks'],
  [
    'in a table that was copied since',
    PLAIN,
    'patients',
    `CREATE TABLE copied (LIKE patients INCLUDING ALL); INSERT INTO copied SELECT * FROM patients; DROP TABLE patients;
     ALTER TABLE copied RENAME TO patients`,
  ],
])('a row that was re-encrypted %s', async (name, make, table, since) => {
  const ring = await justReencrypted(make, table);
  await sql(since);
  const column = name.includes('renamed') ? 'remarks' : 'notes';
  const early = await run(ring, 'postgres', ['retire', '1', '--yes'], 'patients', column);
  expect(early).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('TOO_EARLY_TO_RETIRE') as string });
  await ring.service.advance(25 * HOUR);
  expect(await run(ring, 'postgres', ['retire', '1', '--yes'], 'patients', column)).toMatchObject({ exitCode: 0 });
});

describe('a row that another role has re-encrypted', () => {
  it('is known to a role that may read the tables of jobs; any other is told what to grant', async () => {
    const ring = await justReencrypted(PLAIN, 'patients', 'job_role');
    const before = ring.snapshot;
    const retire = () => run(ring, 'counting', ['retire', '1', '--yes'], 'patients');
    const blind = await retire();
    expect(blind).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('NO_CENSUS') as string });
    const grant =
      'GRANT USAGE ON SCHEMA pazpaz_keys TO counting; GRANT SELECT ON ALL TABLES IN SCHEMA pazpaz_keys TO counting';
    expect(blind.stderr.replaceAll(/\s+/g, ' ')).toContain(grant);
    await sql(grant);
    expect(await retire()).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('TOO_EARLY_TO_RETIRE') as string,
    });
    expect(ring.snapshot).toBe(before);
    await ring.service.advance(25 * HOUR);
    expect(await retire()).toMatchObject({ exitCode: 0 });
  });

  it('is asked for without running code of that role', async () => {
    const ring = await justReencrypted(PLAIN, 'patients', 'job_role');
    await sql(`GRANT USAGE ON SCHEMA pazpaz_keys TO counting; GRANT SELECT ON ALL TABLES IN SCHEMA pazpaz_keys TO counting;
      CREATE SEQUENCE public.ran; GRANT ALL ON public.ran TO PUBLIC; GRANT CREATE ON SCHEMA public TO job_role;
      SET ROLE job_role;
      CREATE FUNCTION public.evil() RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS
        $$ BEGIN RETURN nextval('public.ran') * 0; END $$;
      RESET ROLE`);
    const ran = async () =>
      (await postgres.client.query<{ last_value: string }>('SELECT last_value FROM public.ran')).rows;
    for (const [code, attack, undone] of [
      [
        'INVALID_COLUMN',
        'ALTER TABLE pazpaz_keys.range ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON pazpaz_keys.range USING (public.evil() > 0)',
        'ALTER TABLE pazpaz_keys.range DISABLE ROW LEVEL SECURITY; DROP POLICY p ON pazpaz_keys.range',
      ],
      [
        'INVALID_COLUMN',
        'CREATE INDEX evil ON pazpaz_keys.job (id) WHERE id > public.evil()',
        'DROP INDEX pazpaz_keys.evil',
      ],
      [
        'NO_CENSUS',
        `ALTER TABLE pazpaz_keys.job RENAME TO hidden; CREATE VIEW pazpaz_keys.job AS SELECT * FROM pazpaz_keys.hidden WHERE public.evil() > 0;
         GRANT SELECT ON pazpaz_keys.job TO counting`,
        'SELECT',
      ],
    ] as const) {
      await sql(`SET ROLE job_role; ${attack}; RESET ROLE`);
      const before = await ran();
      const refused = await run(ring, 'counting', ['retire', '1', '--yes'], 'patients');
      expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(code) as string });
      expect(await ran()).toEqual(before);
      await sql(`SET ROLE job_role; ${undone}; RESET ROLE`);
    }
  });
});
