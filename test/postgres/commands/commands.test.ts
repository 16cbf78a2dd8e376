import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { progressLine } from '../../../src/cli/rows/progress.ts';
import { decryptField, encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { asDescribed } from '../../cli/support/described.ts';
import { endpointOf, giveCredentials, pazpazKeys, type Ran, type Surroundings } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { oldBox } from '../../format/support/old-application.ts';
import { current, keyOf, previous, ringBefore, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { builtPrograms } from '../../support/built.ts';
import { until } from '../../support/until.ts';
import { majorVersion, startPostgres, type Postgres } from '../support/postgres.ts';
import { fillPatients, patientRow as row, PATIENTS } from '../support/patients.ts';

let postgres: Postgres;
let program: string;
let folder: string;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  program = join(await builtPrograms(), 'cli/pazpaz-keys.mjs');
  folder = mkdtempSync(join(tmpdir(), 'pazpaz-keys-'));
});
afterEach(stopServices);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await postgres.stop();
});

const COLUMN = PATIENTS;

const patients = (rows: readonly (Buffer | null)[]) => fillPatients(postgres, rows);

async function stored(): Promise<(Buffer | null)[]> {
  const { rows } = await postgres.client.query<{ notes: Buffer | null }>('SELECT notes FROM patients ORDER BY id');
  return rows.map(({ notes }) => notes);
}

function keys(ring: TestRing, args: readonly string[], around: Surroundings = {}): Promise<Ran> {
  return pazpazKeys(ring, args, { ...around, environment: { DATABASE_URL: postgres.url, ...around.environment } });
}

describe('retire and reencrypt', () => {
  it('a key is retired once its rows are under another, and not before (C08)', async () => {
    const ring = await ringBefore(25 * HOUR, 1, previous(2), current(3));
    const zero = Array.from({ length: 10 }, (_, index) => row(`${index}`, 0, index + 1));
    await patients([...zero, ...Array.from({ length: 10 }, () => oldBox('older', { key: keyOf(1) }))]);
    await ring.service.advance(25 * HOUR);
    const before = ring.snapshot;

    expect(await keys(ring, ['retire', '1', '--yes'])).toMatchObject({ exitCode: 1 });
    const refused = await keys(ring, ['retire', '1', '--yes', ...COLUMN]);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('10 rows with number 0');
    expect(refused.stderr).toContain('10 rows without a number');
    expect(refused.stderr).toContain('pazpaz-keys reencrypt');
    expect(ring.snapshot).toBe(before);

    expect(await keys(ring, ['reencrypt', ...COLUMN])).toMatchObject({
      exitCode: 0,
      stdout: 'public.patients.notes (owner postgres): 20 rows re-encrypted under key 3, 0 there already.\n',
    });
    // A request that read a row before may still write it back. Another run, which finds nothing to do, does not forget it.
    for (const again of [[], ['reencrypt', ...COLUMN]]) {
      if (again.length > 0) expect(await keys(ring, again)).toMatchObject({ exitCode: 0 });
      const early = await keys(ring, ['retire', '1', '--yes', ...COLUMN]);
      expect(early).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('TOO_EARLY_TO_RETIRE') as string });
      expect(ring.snapshot).toBe(before);
    }
    await ring.service.advance(25 * HOUR);
    expect(await keys(ring, ['reencrypt', ...COLUMN])).toMatchObject({ exitCode: 0 });
    expect(await keys(ring, ['retire', '1', '--yes', ...COLUMN])).toMatchObject({ exitCode: 0 });
    expect(await keys(ring, ['census', ...COLUMN])).toMatchObject({ exitCode: 0 });
  });
});

describe('--json', () => {
  it('is what its schema says: of a census, an estimate, a dry run, a run and a refusal', async () => {
    const ring = await ringWith(1, current(2));
    const unreadable = row('a', 1, 99);
    const rows = [row('a', 1, 1), row('b', 2, 2), row('c', 0, 3), oldBox('older', { key: keyOf(1) }), unreadable];
    await patients([...rows, Buffer.alloc(0), null]);
    await postgres.client.query(
      'CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$; CREATE TRIGGER touched BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION touch()',
    );
    const answer = async (...args: readonly string[]) => {
      const { exitCode, stdout, stderr } = await keys(ring, [...args, ...COLUMN, '--json']);
      expect(stderr).toBe('');
      return { exitCode, ...asDescribed(args[0] ?? '', stdout) };
    };

    const counted = { rows: 7, nulls: 1, empty: 1, unreadable: 1, toReencrypt: 3, listed: [{ key: ['5'] }] };
    expect(await answer('census')).toMatchObject({
      exitCode: 1,
      result: { isEstimate: false, currentNumber: 2, columns: [counted] },
    });
    expect(await answer('census', '--headers')).toMatchObject({
      exitCode: 0,
      result: { isEstimate: true, columns: [{ rows: 7, nulls: 1 }] },
    });
    expect(await answer('reencrypt', '--dry-run')).toMatchObject({
      exitCode: 1,
      dryRun: true,
      result: { isFinished: false, columns: [{ ...counted, triggers: [{ name: 'touched' }] }] },
    });
    expect(await answer('reencrypt')).toMatchObject({ exitCode: 1, error: { code: 'TRIGGERS_UNDECIDED' } });
    expect(await answer('reencrypt', '--triggers', 'skip')).toMatchObject({
      exitCode: 1,
      result: { isFinished: true, columns: [{ keyNumber: 2, totals: { reencrypted: 3, left: 1 } }] },
    });
  });
});

describe('reencrypt', () => {
  it('leaves older data, whose context cannot be checked, untouched with --no-legacy', async () => {
    const ring = await ringWith(1, current(2));
    const older = oldBox('older', { key: keyOf(1) });
    await patients([older, row('new', 1, 2)]);

    const ran = await keys(ring, ['reencrypt', ...COLUMN, '--no-legacy']);
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toContain('1: LEGACY_ROW');
    const [first, second] = await stored();
    expect(first).toEqual(older);
    expect(second).not.toEqual(older);
    expect(await keys(ring, ['reencrypt', ...COLUMN])).toMatchObject({ exitCode: 0 });
    expect((await stored())[0]).not.toEqual(older);
  });

  it('says on a dry run what --no-legacy would leave, and ends as the run would', async () => {
    const ring = await ringWith(1, current(2));
    await patients([oldBox('older', { key: keyOf(1) }), row('new', 1, 2)]);
    const ran = await keys(ring, ['reencrypt', ...COLUMN, '--no-legacy', '--dry-run']);
    expect(ran.exitCode).toBe(1);
    expect(ran.stdout).toContain('Would re-encrypt 1 row under key 2.\n  Would list 1 row of older data');
  });

  it('refuses on a dry run what the run refuses: rows that row security hides', async () => {
    const ring = await ringWith(1, current(2));
    await patients([row('a', 1, 1)]);
    await postgres.client.query(`DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN; GRANT ALL ON patients TO clerk;
      GRANT CREATE ON DATABASE postgres TO clerk; ALTER TABLE patients ENABLE ROW LEVEL SECURITY`);
    const environment = { DATABASE_URL: postgres.url.replace('postgres@', 'clerk@') };
    const runs = [['--dry-run'], []].map((option) => keys(ring, ['reencrypt', ...COLUMN, ...option], { environment }));
    const [dry, real] = await Promise.all(runs);
    await postgres.client.query('DROP OWNED BY clerk; DROP ROLE clerk');
    expect(real?.stderr).toContain('Not every row of patients.notes can be reached');
    expect(dry).toMatchObject({ exitCode: 1, stdout: '', stderr: real?.stderr });
  });

  it('refuses while AWS is not reached, although the environment has a key, and changes nothing (C05)', async () => {
    const ring = await ringWith(current(1));
    await patients([row('a', 1, 1)]);
    const before = await stored();
    ring.service.faults.set({ kind: 'drop' });
    const environment = { ENVIRONMENT: 'production', ENCRYPTION_MASTER_KEY: keyOf(9).toString('base64') };
    expect(await keys(ring, ['reencrypt', ...COLUMN], { environment })).toMatchObject({ exitCode: 3 });
    expect(await stored()).toEqual(before);
  });

  it('shows on a dry run what it would do, names the triggers, and writes nothing, not even its own tables (C33)', async () => {
    const ring = await ringWith(1, current(2));
    await postgres.client.query('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
    await patients([row('a', 1, 1), row('b', 2, 2), null]);
    await postgres.client.query(
      'CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$; CREATE TRIGGER touched BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION touch()',
    );
    const before = await stored();
    const { exitCode, stdout } = await keys(ring, ['reencrypt', ...COLUMN, '--dry-run']);
    expect(exitCode).toBe(0);
    expect(stdout).toBe(
      [
        'public.patients.notes (owner postgres): 3 rows',
        '  key 1                       1',
        '  key 2, current              1',
        '  NULL                        1',
        '  sum = rows of the snapshot  3',
        '  Would re-encrypt 1 row under key 2.',
        '  Trigger touched on public.patients (BEFORE UPDATE, function public.touch()): fires with --triggers fire, rests with skip.',
        'Dry run: nothing was changed.',
        '',
      ].join('\n'),
    );
    expect(await stored()).toEqual(before);
    const { rows } = await postgres.client.query("SELECT to_regnamespace('pazpaz_keys') AS made");
    expect(rows).toEqual([{ made: null }]);
    expect(await keys(ring, ['reencrypt', ...COLUMN])).toMatchObject({ exitCode: 1 });
    expect(await keys(ring, ['reencrypt', ...COLUMN, '--triggers', 'skip'])).toMatchObject({ exitCode: 0 });
  });

  it('ends with 1 and lists rows that nothing opens', async () => {
    const ring = await ringWith(1, current(2));
    await patients([row('a', 1, 1), row('a', 1, 7)]);
    const { exitCode, stdout } = await keys(ring, ['reencrypt', ...COLUMN]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain('1 left untouched:\n    2: TAMPERED_OR_WRONG_CONTEXT\n');
    const json = await keys(ring, ['reencrypt', ...COLUMN, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      command: 'reencrypt',
      result: { isFinished: true, columns: [{ keyNumber: 2, totals: { alreadyCurrent: 1, left: 1 } }] },
    });
    expect(json.stdout).not.toContain(keyOf(1).toString('base64'));
  });

  it('takes many columns out of a file', async () => {
    const ring = await ringWith(1, current(2));
    await patients([row('a', 1, 1)]);
    const file = join(folder, 'columns.json');
    await postgres.client.query('DROP TABLE IF EXISTS visits');
    await postgres.client.query(
      'CREATE TABLE visits (clinic text NOT NULL, n int NOT NULL, note text, UNIQUE (clinic, n))',
    );
    const visit = encryptField('flu', keyOf(1), 'visits:7', { number: toKeyNumber(1) }).toString('base64');
    await postgres.client.query("INSERT INTO visits VALUES ('north', 7, $1)", [visit]);
    const notes = { table: 'patients', column: 'notes', context: 'patients:{id}:notes' };
    const visits = { table: 'visits', column: 'note', key: ['clinic', 'n'], context: 'visits:{n}' };
    writeFileSync(file, JSON.stringify([notes, { ...visits, toContext: '{clinic}:{n}' }]));
    expect(await keys(ring, ['reencrypt', '--columns', file])).toMatchObject({
      exitCode: 0,
      stdout: [notes, visits]
        .map(
          ({ table, column }) =>
            `public.${table}.${column} (owner postgres): 1 row re-encrypted under key 2, 0 there already.\n`,
        )
        .join(''),
    });
    const { rows } = await postgres.client.query<{ note: string }>('SELECT note FROM visits');
    expect(decryptField(Buffer.from(rows[0]?.note ?? '', 'base64'), keyOf(2), 'north:7')).toBe('flu');
    writeFileSync(file, JSON.stringify([notes]));
    expect((await keys(ring, ['census', '--columns', file])).stdout).toBe(
      'public.patients.notes (owner postgres): 1 row\n  key 2, current              1\n  sum = rows of the snapshot  1\n' +
        'No older data and no rows with number 0 are left in these columns. If they are all there are,\n' +
        'applications can refuse older data from now on: KeyRing.open(settings, { legacy: false }).\n',
    );
    expect((await keys(ring, ['census', '--columns', file, '--headers'])).stdout).toBe(
      'public.patients.notes (owner postgres): 1 row, estimated from their first bytes\n  looks like key 2  1\n',
    );
    writeFileSync(file, JSON.stringify([{ table: 'patients', column: 'notes', contxt: 'patients:{id}:notes' }]));
    const misspelt = await keys(ring, ['reencrypt', '--columns', file]);
    expect(misspelt.exitCode).toBe(2);
    expect(misspelt.stderr).toContain('contxt');
  });

  it.each([
    [['--table', 'patients']],
    [[]],
    [[...COLUMN, '--columns', 'file']],
    [[...COLUMN, '--lanes', '0']],
    [[...COLUMN, '--triggers', 'perhaps']],
    [[...COLUMN, '--database-url', 'nonsense://']],
  ])('ends with 2 for wrong usage: %j', async (args) => {
    const ring = await ringWith(current(1));
    expect(await keys(ring, ['reencrypt', ...args])).toMatchObject({ exitCode: 2 });
  });

  it('ends with 3 where the database is not reached, and 2 where none is named', async () => {
    const ring = await ringWith(current(1));
    const nowhere = { environment: { DATABASE_URL: 'postgres://postgres:secret@127.0.0.1:1/postgres' } };
    const down = await keys(ring, ['reencrypt', ...COLUMN], nowhere);
    expect(down).toMatchObject({ exitCode: 3 });
    expect(down.stderr).not.toContain('secret@');
    expect(await keys(ring, ['census', ...COLUMN], { environment: { DATABASE_URL: '' } })).toMatchObject({
      exitCode: 2,
    });
  });

  it('stops at a batch’s end on SIGINT, says how to go on, and the same command does', async () => {
    const ring = await ringWith(1, current(2));
    await patients(Array.from({ length: 3000 }, (_, index) => row(`${index}`, 1, index + 1)));
    const args = [
      'reencrypt',
      ...COLUMN,
      '--batch-rows',
      '5',
      '--lanes',
      '1',
      '--endpoint-url',
      await endpointOf(ring),
    ];
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, DATABASE_URL: postgres.url, SECRETS_MANAGER_KEY_NAME: SECRET, AWS_REGION: 'us-east-1' },
    });
    let said = '';
    child.stdout.on('data', (chunk) => (said += String(chunk)));
    child.stderr.on('data', (chunk) => (said += String(chunk)));
    await until(async () => {
      const { rows } = await postgres.client.query('SELECT FROM patients WHERE get_byte(notes, 0) = 2 LIMIT 1');
      return rows.length > 0;
    });
    child.kill('SIGINT');
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(1);
    expect(said).toContain('Stopping after this batch');
    expect(said).toContain('Stopped. Finished batches are saved: the same command continues from here.');
    // Whole batches, and the job's own table says how far they came.
    const { rows } = await postgres.client.query<{ under_2: number; noted: number; is_over: boolean }>(
      `SELECT (SELECT count(*)::int FROM patients WHERE get_byte(notes, 0) = 2) AS under_2,
              sum(reencrypted)::int AS noted, bool_or(finished_at IS NOT NULL) AS is_over
         FROM pazpaz_keys.job JOIN pazpaz_keys.range ON job_id = id WHERE table_id = 'patients'::regclass`,
    );
    const [{ under_2: under2, noted, is_over: isOver } = { under_2: 0, noted: 0, is_over: true }] = rows;
    expect({ noted, beyondBatch: under2 % 5, isOver }).toEqual({ noted: under2, beyondBatch: 0, isOver: false });
    expect(under2).toBeLessThan(3000);
    const rest = await keys(ring, ['reencrypt', ...COLUMN]);
    expect(rest.exitCode).toBe(0);
    expect(rest.stdout).toMatch(/3,000 rows re-encrypted under key 2 \([0-9,]+ of them by this process\)/);
  });
});

it('progress says how many of how many, how fast and how long', () => {
  const column = { spec: { table: 'patients', column: 'notes' }, estimatedRows: 1_000_000 };
  const totals = { readRows: 120_000 };
  expect(progressLine({ column, totals }, { at: 0, rows: 20_000 }, 4000)).toBe(
    'patients.notes: 120,000 of about 1,000,000 rows, 25,000 rows/s, about 36 s left',
  );
  expect(progressLine({ column: { ...column, estimatedRows: undefined }, totals }, { at: 0, rows: 120_000 }, 0)).toBe(
    'patients.notes: 120,000 rows',
  );
});

describe('reencrypt from another terminal', () => {
  /** A job that stops after its first batch. */
  async function begun(ring: TestRing): Promise<void> {
    await postgres.client.query('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE');
    await patients(Array.from({ length: 50 }, (_, index) => row(`${index}`, 1, index + 1)));
    const options = ['--full-speed', '--batch-rows', '5', '--pause-while', 'SELECT 0'];
    expect((await keys(ring, ['reencrypt', ...COLUMN, ...options])).exitCode).toBe(0);
    await postgres.client.query('UPDATE pazpaz_keys.job SET finished_at = NULL');
  }

  it('pauses, changes and resumes a job, without AWS, and shows what it waits for', async () => {
    const ring = await ringWith(1, current(2));
    await begun(ring);
    ring.service.faults.set({ kind: 'drop' });

    const paused = await keys(ring, ['reencrypt', '--pause']);
    expect(paused).toMatchObject({ exitCode: 0 });
    expect(paused.stdout).toContain('public.patients.notes (owner postgres), to key 2: 50 rows read, 50 re-encrypted.');
    expect(paused.stdout).toContain('It waits: paused; reencrypt --resume continues it.');

    const settings = ['--set', 'max-rows-per-second=500', '--set', 'wait-for-vacuum=on'];
    const set = await keys(ring, ['reencrypt', ...settings, '--json']);
    expect(asDescribed('reencrypt', set.stdout)).toMatchObject({
      result: {
        isFinished: false,
        jobs: [
          {
            isPaused: true,
            waitsFor: { brake: 'paused' },
            brakes: { maxRowsPerSecond: 500, waitsForVacuum: true, waitsForLocks: false, pauseWhile: 'SELECT 0' },
          },
        ],
      },
    });
    const resumed = await keys(ring, ['reencrypt', '--resume', '--table', 'patients', '--column', 'notes']);
    expect(resumed.stdout).not.toContain('waits:');
    expect(resumed.stdout).toContain('  max-rows-per-second=500\n');
  });

  it('warns at once that running processes do not run a query that another role could have set', async () => {
    if ((await majorVersion(postgres)) < 14) return;
    const ring = await ringWith(1, current(2));
    await begun(ring);
    const args = ['reencrypt', '--set', 'pause-while=SELECT false'];
    const warning = /unless they were started with this --pause-while.* writer, a member of pg_write_all_data, could/;
    await postgres.client.query('CREATE ROLE writer LOGIN IN ROLE pg_write_all_data');
    const [screen, json] = [await keys(ring, args), await keys(ring, [...args, '--json'])];
    await postgres.client.query('DROP ROLE writer');
    expect(screen.stderr).toMatch(warning);
    const result = { jobs: [{ waitsFor: { brake: 'pause-while' } }] };
    expect(asDescribed('reencrypt', json.stdout)).toMatchObject({ result, warnings: [expect.stringMatching(warning)] });
    const stdout = expect.not.stringContaining('waits:') as string;
    expect(await keys(ring, args)).toMatchObject({ stderr: '', stdout });
  });

  it.each([
    [['--set', 'speed=5']],
    [['--set', 'max-rows-per-second=0']],
    [['--pause', '--resume']],
    [['--max-rows-per-second', 'fast']],
    [['--set', 'pause-while=SELECT nothing']],
  ])('ends with 2 for wrong usage: %j', async (args) => {
    const ring = await ringWith(current(1));
    expect(await keys(ring, ['reencrypt', ...args, ...COLUMN])).toMatchObject({ exitCode: 2 });
  });

  it('says where no job is unfinished', async () => {
    const ring = await ringWith(1, current(2));
    await begun(ring);
    await postgres.client.query('UPDATE pazpaz_keys.job SET finished_at = now()');
    const ran = await keys(ring, ['reencrypt', '--pause']);
    expect(ran).toMatchObject({ exitCode: 1 });
    expect(ran.stderr).toContain('NO_JOB');
  });
});
