import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { asDescribed } from '../../cli/support/described.ts';
import { endpointOf, giveCredentials, pazpazKeys, type Ran } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringBefore, SECRET, type TestRing } from '../../support/ring.ts';
import { builtPrograms } from '../../support/built.ts';
import { until } from '../../support/until.ts';
import { fillPatients, patientRow as row, PATIENTS as COLUMN } from '../support/patients.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

jest.setTimeout(60_000);

let postgres: Postgres;
let program: string;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  program = join(await builtPrograms(), 'cli/pazpaz-keys.mjs');
});
beforeEach(() => postgres.client.query('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE'));
afterEach(stopServices);
afterAll(() => postgres.stop());

/** A ring of four keys, the last change of which was a day ago. */
/** Of yesterday: the database says when a row was re-encrypted. `behind`: what is still to come of the time until now. */
async function oldRing(behind = 0): Promise<TestRing> {
  const ring = await ringBefore(behind + 25 * HOUR, 1, 2, previous(3), current(4));
  await ring.enableRotation();
  await ring.service.advance(25 * HOUR);
  return ring;
}

interface Shown {
  readonly exitCode: number;
  readonly result: {
    readonly reencrypted: readonly object[];
    readonly retired: readonly { readonly number: number }[];
    readonly proposed: readonly number[];
    readonly next: readonly { readonly code: string; readonly next: readonly string[] }[];
  };
}

function shown({ exitCode, stdout }: Pick<Ran, 'exitCode' | 'stdout'>): Shown {
  return { exitCode, ...(asDescribed('maintain', stdout) as Pick<Shown, 'result'>) };
}

async function maintain(ring: TestRing, ...args: readonly string[]): Promise<Shown> {
  const environment = { DATABASE_URL: postgres.url };
  return shown(await pazpazKeys(ring, ['maintain', '--json', ...COLUMN, ...args], { environment }));
}

/** How many rows have each number. */
async function numbersOfRows(): Promise<Readonly<Record<string, number>>> {
  const { rows } = await postgres.client.query<{ number: number; rows: string }>(
    'SELECT get_byte(notes, 0) AS number, count(*) AS rows FROM patients GROUP BY 1',
  );
  return Object.fromEntries(rows.map(({ number, rows: count }) => [number, Number(count)]));
}

describe('maintain', () => {
  it('re-encrypts and proposes; the command that it proposes retires; then nothing is due', async () => {
    const ring = await oldRing();
    await fillPatients(postgres, [row('a', 1, 1), row('b', 4, 2), null]);
    // A request that has read the row may still write it back.
    const early = await maintain(ring);
    expect(early).toMatchObject({
      exitCode: 1,
      result: {
        ...{ currentNumber: 4, freeSlots: 13, retired: [], proposed: [2] },
        reencrypted: [{ relation: 'public.patients', keyNumber: 4, isFinished: true, rows: 1, left: 0 }],
        counted: [{ relation: 'public.patients', rows: 3 }],
      },
    });
    const due = { code: 'TOO_EARLY_TO_RETIRE', needsPerson: false, at: expect.any(String) as string };
    expect(early.result.next).toContainEqual(expect.objectContaining(due));
    await ring.service.advance(25 * HOUR);
    const first = await maintain(ring);
    expect(first).toMatchObject({ exitCode: 1, result: { reencrypted: [], retired: [], proposed: [1, 2] } });
    const [command = ''] = first.result.next.find(({ code }) => code === 'retire-proposed')?.next ?? [];
    const words = command.replaceAll("'", '').split(' ').slice(1);
    const environment = { DATABASE_URL: postgres.url };
    expect(await pazpazKeys(ring, [...words, '--yes'], { environment })).toMatchObject({ exitCode: 0 });
    const second = await maintain(ring);
    expect(second).toMatchObject({ exitCode: 0, result: { reencrypted: [], retired: [], proposed: [] } });
    expect(second.result.next.map(({ code }) => code)).toEqual(['next-rotation']);
    // Rows of a backup may have come into the same table meanwhile.
    const third = await pazpazKeys(ring, ['maintain', ...COLUMN], { environment });
    expect(third.stdout).toContain('Nothing was due, and no row was counted.\n');
  });

  it('lists the changes of the secret that it made, or would make', async () => {
    const ring = await oldRing();
    await ring.put(keyOf(5).toString('base64'), undefined, ['key-incoming']);
    const command = ['maintain', ...COLUMN, '--retire', 'off'];
    const environment = { DATABASE_URL: postgres.url };
    const dry = await pazpazKeys(ring, [...command, '--dry-run'], { environment });
    expect(dry.stdout).toContain('Every key in use would have a number.');
    expect(dry.stdout).toContain(
      `It would:\n  attach key-v5 to version ${ring.idOf(5)}\n  detach key-incoming from version ${ring.idOf(5)}\n`,
    );
    expect(dry.stdout.match(/nothing was changed/gi)).toHaveLength(1);
    const real = await pazpazKeys(ring, command, { environment });
    expect(real.stdout).toContain(`Changed:\n  attached key-v5 to version ${ring.idOf(5)}\n`);
  });

  it('re-encrypts after each rotation, and again where a process wrote under an older key since', async () => {
    const ring = await oldRing(25 * HOUR);
    await fillPatients(postgres, [row('a', 3, 1), row('b', 4, 2)]);
    expect(await maintain(ring, '--retire', 'do')).toMatchObject({
      exitCode: 0,
      result: { reencrypted: [{ rows: 1 }], retired: [{ number: 1 }, { number: 2 }] },
    });
    await ring.rotate();
    expect((await maintain(ring, '--retire', 'do')).result.next[0]).toMatchObject({ code: 'TOO_EARLY_TO_RETIRE' });
    expect(Object.keys(await numbersOfRows())).toEqual(['5']);
    await postgres.client.query('UPDATE patients SET notes = $1 WHERE id = 1', [row('late', 3, 1)]);
    await ring.service.advance(25 * HOUR);
    expect(await maintain(ring, '--retire', 'do')).toMatchObject({
      exitCode: 0,
      result: { reencrypted: [{ rows: 1 }], retired: [] },
    });
    expect(Object.keys(await numbersOfRows())).toEqual(['5']);
    await ring.service.advance(25 * HOUR);
    expect(await maintain(ring, '--retire', 'do')).toMatchObject({
      exitCode: 0,
      result: { reencrypted: [], retired: [{ number: 3 }] },
    });
  });

  it('looks at every row again a week later, so rows that were loaded since are found', async () => {
    const ring = await oldRing();
    await fillPatients(postgres, [row('a', 4, 1), row('b', 4, 2)]);
    await maintain(ring, '--retire', 'do');
    await postgres.client.query('DELETE FROM patients');
    await postgres.client.query('INSERT INTO patients (id, notes) VALUES (1, $1), (2, $2)', [
      row('a', 3, 1),
      row('b', 1, 2),
    ]);
    expect((await maintain(ring)).result.reencrypted).toEqual([]);
    await postgres.client.query("UPDATE pazpaz_keys.job SET finished_at = finished_at - interval '8 days'");
    const found = await maintain(ring);
    expect(found).toMatchObject({ exitCode: 1, result: { reencrypted: [{ rows: 1, left: 1 }] } });
    expect(found.result.next[0]).toMatchObject({ code: 'rows-left' });
    // Until they are done, although there is nothing more to re-encrypt.
    expect(await maintain(ring)).toMatchObject({
      exitCode: 1,
      result: { reencrypted: [], next: expect.arrayContaining([expect.objectContaining({ code: 'rows-left' })]) as [] },
    });
  });

  it('has every guard of retire: an unlisted column, and columns without a value', async () => {
    const ring = await oldRing();
    const before = ring.snapshot;
    await fillPatients(postgres, [row('a', 4, 1)]);
    await postgres.client.query('CREATE TABLE forgotten (id int PRIMARY KEY, v bytea)');
    const forgotten = encryptField('forgotten', keyOf(1), '', { number: toKeyNumber(1) });
    await postgres.client.query('INSERT INTO forgotten VALUES (1, $1)', [forgotten]);
    const refused = await maintain(ring, '--retire', 'do');
    await postgres.client.query('DROP TABLE forgotten');
    expect(refused).toMatchObject({ exitCode: 1, result: { retired: [] } });
    expect(refused.result.next[0]).toMatchObject({ code: 'ROWS_STILL_NEED_KEY', needsPerson: true });
    await fillPatients(postgres, [null]);
    expect((await maintain(ring, '--retire', 'do')).result.next[0]).toMatchObject({ code: 'NO_CENSUS' });
    expect(ring.snapshot).toBe(before);
    const accepted = await maintain(ring, '--empty-is-fine');
    expect(accepted.result.next[0]?.next[0]).toContain('retire 1 2 --empty-is-fine');
  });

  it('leaves what no key opens, and says that a person is needed', async () => {
    const ring = await oldRing();
    await fillPatients(postgres, [row('a', 1, 99), row('b', 1, 2)]);
    const ran = await maintain(ring, '--retire', 'do');
    expect(ran).toMatchObject({ exitCode: 1, result: { reencrypted: [{ rows: 1, left: 1 }], retired: [] } });
    expect(ran.result.next.map(({ code }) => code)).toEqual(['rows-left', 'ROWS_STILL_NEED_KEY', 'next-rotation']);
  });

  it('changes nothing in a dry run', async () => {
    const ring = await oldRing();
    await fillPatients(postgres, [row('a', 1, 1)]);
    const before = ring.snapshot;
    const ran = await maintain(ring, '--retire', 'do', '--dry-run');
    expect(ran.result.next.map(({ code }) => code)).toEqual([
      'reencryption-due',
      'ROWS_STILL_NEED_KEY',
      'retirement-due',
      'next-rotation',
    ]);
    expect(ran).toMatchObject({ exitCode: 0, result: { reencrypted: [], retired: [], proposed: [2] } });
    expect({ snapshot: ring.snapshot, rows: await numbersOfRows() }).toEqual({ snapshot: before, rows: { 1: 1 } });
  });

  it('ends with 2 without columns, and with 3 without a database', async () => {
    const ring = await oldRing();
    const environment = { DATABASE_URL: 'postgres://postgres@127.0.0.1:1/none' };
    expect(await pazpazKeys(ring, ['maintain'], { environment })).toMatchObject({ exitCode: 2 });
    expect(await pazpazKeys(ring, ['maintain', ...COLUMN], { environment })).toMatchObject({ exitCode: 3 });
  });
});

describe('maintain in several processes at once', () => {
  const ROWS = 6000;

  async function started(ring: TestRing): Promise<() => ChildProcess> {
    const environment = {
      ...process.env,
      ...{ AWS_ENDPOINT_URL_SECRETS_MANAGER: await endpointOf(ring), AWS_REGION: 'us-east-1' },
      ...{ SECRETS_MANAGER_KEY_NAME: SECRET, DATABASE_URL: postgres.url },
    };
    const args = ['maintain', '--json', '--retire', 'do', ...COLUMN];
    return () => spawn(process.execPath, [program, ...args], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  async function ended(child: ChildProcess): Promise<Shown> {
    const { stdout } = child;
    if (stdout === null) throw new Error('it has no output');
    const [output, [exitCode]] = await Promise.all([text(stdout), once(child, 'exit') as Promise<[number]>]);
    return shown({ exitCode, stdout: output });
  }

  const isUnderWay = async () => ((await numbersOfRows())[4] ?? 0) > 500;

  it('one that is killed leaves its work to the other, and all of them killed to the next run', async () => {
    const ring = await oldRing();
    await fillPatients(
      postgres,
      Array.from({ length: ROWS }, (_, at) => row(`note ${at}`, 1, at + 1)),
    );
    const start = await started(ring);
    const [one, other] = [start(), start()];
    await until(isUnderWay);
    one.kill('SIGKILL');
    await once(one, 'exit');
    other.kill('SIGKILL');
    await once(other, 'exit');
    expect((await numbersOfRows())[1]).toBeGreaterThan(0);

    const [third, killed] = [start(), start()];
    const whole = ended(third);
    setTimeout(() => killed.kill('SIGKILL'), 700);
    expect(await whole).toMatchObject({ exitCode: 0, result: { proposed: [] } });
    expect(await numbersOfRows()).toEqual({ 4: ROWS });
    expect(ring.secret.tags.map(({ Key }) => Key)).toEqual(['pazpaz:retired:key-v2']);

    await fillPatients(
      postgres,
      Array.from({ length: 50 }, (_, at) => row(`note ${at}`, 3, at + 1)),
    );
    const both = await Promise.all([ended(start()), ended(start())]);
    expect(both.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(await numbersOfRows()).toEqual({ 4: 50 });
  });
});
