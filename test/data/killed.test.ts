import { randomInt } from 'node:crypto';
import { Application } from './application.ts';
import { Clinic, startPostgres } from './clinic.ts';
import type { Postgres } from './postgres.ts';
import { Program } from './processes.ts';

/** `SOAK=1`: rounds for a minute instead of one, on more rows. */
const isSoak = process.env['SOAK'] !== undefined;
const ROWS = isSoak ? 20_000 : 2000;
const ROUNDS_FOR = isSoak ? 60_000 : 0;

const SPEC = { table: 'patients', column: 'notes', context: 'patients:{id}:notes' };
const contextOf = (id: number) => `patients:${id}:notes`;

let postgres: Postgres;
let program: Program;
beforeAll(async () => {
  [postgres, program] = await Promise.all([startPostgres(), Program.build()]);
}, 30_000);
afterAll(async () => {
  program.remove();
  await postgres.stop();
});

/** Rows under key 1, of which everything that re-encryption does to one is counted. */
async function watchedClinic(): Promise<{ clinic: Clinic; texts: Map<number, string> }> {
  const clinic = await Clinic.withKeys(postgres, 2);
  const texts = new Map(Array.from({ length: ROWS }, (_, index) => [index * 3 + 1, `note ${index}`]));
  await clinic.sql('DROP TABLE IF EXISTS patients, handled');
  await clinic.sql('CREATE TABLE patients (id int PRIMARY KEY, notes bytea)');
  await clinic.sql('INSERT INTO patients SELECT * FROM unnest($1::int[], $2::bytea[])', [
    [...texts.keys()],
    [...texts].map(([id, text]) => clinic.row(text, 1, contextOf(id))),
  ]);
  await clinic.sql('CREATE TABLE handled (id int)');
  await clinic.sql(`CREATE OR REPLACE FUNCTION note_handled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF current_setting('application_name') = 'pazpaz-keys' THEN INSERT INTO handled VALUES (new.id); END IF; RETURN new; END $$`);
  await clinic.sql('CREATE TRIGGER handled AFTER UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION note_handled()');
  return { clinic, texts };
}

async function expectNothingLost(clinic: Clinic, texts: ReadonlyMap<number, string>): Promise<void> {
  const rows = await clinic.values('patients');
  expect([...rows.keys()].sort((a, b) => a - b)).toEqual([...texts.keys()].sort((a, b) => a - b));
  for (const [id, row] of rows) expect(clinic.open(row as Buffer, 2, contextOf(id))).toBe(texts.get(id));
  expect((await clinic.census(SPEC)).numbered).toEqual({ 2: texts.size });
}

/** The application, under the current key, beside `work`. */
async function besideApplication(work: (clinic: Clinic) => Promise<void>): Promise<void> {
  const until = Date.now() + ROUNDS_FOR;
  do {
    const { clinic, texts } = await watchedClinic();
    const application = new Application(clinic, texts, 2, contextOf);
    const writing = application.run();
    try {
      await work(clinic);
    } finally {
      application.stop();
      await writing;
    }
    expect(application.writes).toBeGreaterThan(10);
    await expectNothingLost(clinic, application.texts);
    const twice = await clinic.sql('SELECT id FROM handled GROUP BY id HAVING count(*) > 1');
    expect(twice).toEqual([]);
  } while (Date.now() < until);
}

function orders(clinic: Clinic) {
  return {
    url: postgres.url,
    specs: [SPEC],
    keys: [1, 2].map((number) => clinic.world.keyOf(number).toString('base64')),
    options: { triggers: 'fire' as const, batchRows: 25, rangeRows: 200 },
  };
}

describe('beside an application that writes to the same rows', () => {
  it(
    'a process killed at random moments and begun again loses nothing and handles no row twice',
    async () => {
      let kills = 0;
      await besideApplication(async (clinic) => {
        kills += await program.runKilled(orders(clinic), (attempt) => (attempt < 4 ? randomInt(250, 600) : undefined));
      });
      expect(kills).toBeGreaterThan(0);
    },
    30_000 + 2 * ROUNDS_FOR,
  );

  it(
    'four processes at once, one of them killed, share the rows and lose nothing',
    async () => {
      await besideApplication(async (clinic) => {
        const killed = program.start(orders(clinic));
        const timer = setTimeout(() => killed.kill('SIGKILL'), randomInt(300, 700));
        await Promise.all(Array.from({ length: 3 }, () => program.runKilled(orders(clinic), () => undefined)));
        clearTimeout(timer);
        killed.kill('SIGKILL');
      });
    },
    30_000 + 2 * ROUNDS_FOR,
  );
});
