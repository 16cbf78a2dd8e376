import { Connection } from '../../../src/postgres/connection/database.ts';
import { pazpazKeys } from '../../cli/support/operator.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith } from '../../support/ring.ts';
import { patientRow } from '../support/patients.ts';
import { withTableOwner } from '../support/table-owner.ts';

/** A role moves a row that needs the key while `retire` looks: no place is both counted and left out. */

jest.setTimeout(60_000);

const owner = withTableOwner();

const TABLE = '(id int PRIMARY KEY, notes bytea)';
const hex = (number: number, id: number) => `'\\x${patientRow('note', number, id).toString('hex')}'::bytea`;

beforeEach(async () => {
  await owner.query(`DROP SCHEMA IF EXISTS s CASCADE; CREATE SCHEMA s;
    CREATE TABLE s.patients ${TABLE}; INSERT INTO s.patients VALUES (1, ${hex(3, 1)})`);
});

type IsDue = (statement: string, session: number) => boolean;

/** Runs `retire 1`; `act` comes before the first statement that `isDue` accepts. */
function retire(act: string, isDue: IsDue, ...flags: string[]) {
  return retireWhile([[act, isDue]], ...flags);
}

async function retireWhile(acts: readonly (readonly [act: string, isDue: IsDue])[], ...flags: string[]) {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.service.advance(25 * HOUR);
  const sessions: Connection[] = [];
  const due = [...acts];
  for (const name of ['rows', 'change'] as const) {
    const original = Reflect.get(Connection.prototype, name) as (...args: readonly unknown[]) => Promise<never>;
    jest.spyOn(Connection.prototype, name).mockImplementation(async function (this: Connection, ...args) {
      if (!sessions.includes(this)) sessions.push(this);
      const [next] = due;
      if (next?.[1](args[0], sessions.indexOf(this) + 1) === true) {
        due.shift();
        await owner.query(next[0]);
      }
      return original.apply(this, args);
    });
  }
  const args = ['retire', '1', '--yes', '--table', 's.patients', '--column', 'notes'];
  const ran = await pazpazKeys(ring, [...args, '--context', 'patients:{id}:notes', ...flags], {
    environment: { DATABASE_URL: owner.url() },
  });
  expect(due).toEqual([]);
  return ran;
}

/** Before the connection after the one that counts: the list of all tables opens the first, the count the second. */
const ONCE_COUNTING = (_: string, session: number) => session === 3;

const moveFrom = (source: string, value = 'notes') => `INSERT INTO s.patients SELECT id, ${value} FROM ${source}`;
const DELETED = 'WITH moved AS (DELETE FROM s.z RETURNING *)';

describe('a row that a role moves into the counted table after its snapshot is found where it was', () => {
  it.each([
    ['deleted there', `CREATE TABLE s.z ${TABLE}`, `${DELETED} ${moveFrom('moved')}`],
    ['in a table that is truncated', `CREATE TABLE s.z ${TABLE}`, `${moveFrom('s.z')}; TRUNCATE s.z`],
    ['in a table that is dropped', `CREATE TABLE s.z ${TABLE}`, `${moveFrom('s.z')}; DROP TABLE s.z`],
    [
      'in a table that another one replaces',
      `CREATE TABLE s.z ${TABLE}`,
      `${moveFrom('s.z')}; DROP TABLE s.z; CREATE TABLE s.z ${TABLE}`,
    ],
    [
      'in a table that is rewritten',
      `CREATE TABLE s.z ${TABLE}`,
      `${moveFrom('s.z')}; ALTER TABLE s.z ALTER notes TYPE text USING 'gone'`,
    ],
    ['in a column that is dropped', `CREATE TABLE s.z ${TABLE}`, `${moveFrom('s.z')}; ALTER TABLE s.z DROP notes`],
    [
      'in a column that another one replaces',
      `CREATE TABLE s.z ${TABLE}`,
      `${moveFrom('s.z')}; ALTER TABLE s.z DROP notes; ALTER TABLE s.z ADD notes bytea`,
    ],
    [
      'in a partition that is detached',
      `CREATE TABLE s.z ${TABLE} PARTITION BY RANGE (id); CREATE TABLE s.y PARTITION OF s.z FOR VALUES FROM (1) TO (9)`,
      `ALTER TABLE s.z DETACH PARTITION s.y; WITH moved AS (DELETE FROM s.y RETURNING *) ${moveFrom('moved')}`,
    ],
    [
      'in a partition that is truncated',
      `CREATE TABLE s.z ${TABLE} PARTITION BY RANGE (id); CREATE TABLE s.y PARTITION OF s.z FOR VALUES FROM (1) TO (9)`,
      `${moveFrom('s.z')}; TRUNCATE s.y`,
    ],
  ])('%s', async (_, tables, move) => {
    await owner.query(`${tables}; INSERT INTO s.z VALUES (2, ${hex(1, 2)})`);
    expect(await retire(move, ONCE_COUNTING, '--skipped-is-fine')).toMatchObject({ exitCode: 1 });
  });

  it('in a materialized view that is refreshed', async () => {
    await owner.query(`CREATE TABLE s.z ${TABLE}; INSERT INTO s.z VALUES (2, ${hex(1, 2)});
      CREATE MATERIALIZED VIEW s.m AS SELECT * FROM s.z; DELETE FROM s.z`);
    const move = `${moveFrom('s.m')}; REFRESH MATERIALIZED VIEW s.m`;
    expect(await retire(move, ONCE_COUNTING, '--skipped-is-fine')).toMatchObject({ exitCode: 1 });
  });

  it('in a field of a type that is dropped', async () => {
    await owner.query(`CREATE TYPE s.pair AS (a int, b bytea); CREATE TABLE s.z (id int, notes s.pair);
      INSERT INTO s.z VALUES (2, ROW(1, ${hex(1, 2)}))`);
    const move = `${moveFrom('s.z', '(notes).b')}; ALTER TYPE s.pair DROP ATTRIBUTE b`;
    expect(await retire(move, ONCE_COUNTING, '--skipped-is-fine')).toMatchObject({ exitCode: 1 });
  });

  it('in a large object', async () => {
    const made = await owner.query<{ id: number }>(`SELECT lo_from_bytea(0, ${hex(1, 2)}) AS id`);
    const id = made.rows[0]?.id ?? 0;
    const move = `INSERT INTO s.patients VALUES (2, lo_get(${id})); SELECT lo_unlink(${id})`;
    expect(await retire(move, ONCE_COUNTING, '--skipped-is-fine')).toMatchObject({ exitCode: 1 });
  });
});

it('a row that moves from a table that is still to be looked at into one that was is found', async () => {
  await owner.query(`CREATE TABLE s.a ${TABLE}; CREATE TABLE s.z ${TABLE}; INSERT INTO s.z VALUES (2, ${hex(1, 2)})`);
  const move = `${DELETED} INSERT INTO s.a SELECT * FROM moved`;
  const ran = await retire(move, (statement) => statement.includes('LOCK TABLE ONLY s.z'));
  expect(ran).toMatchObject({ exitCode: 1 });
  expect(ran.stderr).toContain('s.z.notes');
});

describe('a table that is dropped does not stop a retirement that no row needs', () => {
  const ofTable = (name: string) => (statement: string) => statement.includes(`LOCK TABLE ONLY ${name} `);

  const turn = (n: number) => [`CREATE TABLE s.z${n + 1} ${TABLE}; DROP TABLE s.z${n}`, ofTable(`s.z${n}`)] as const;

  it('between the snapshot and the look', async () => {
    await owner.query(`CREATE TABLE s.z ${TABLE}; INSERT INTO s.z VALUES (2, ${hex(3, 2)})`);
    expect(await retire('DROP TABLE s.z', ofTable('s.z'), '--unlisted-is-fine')).toMatchObject({ exitCode: 0 });
  });

  it('and was a partition', async () => {
    await owner.query(`CREATE TABLE s.z ${TABLE} PARTITION BY RANGE (id);
      CREATE TABLE s.y PARTITION OF s.z FOR VALUES FROM (1) TO (9)`);
    expect(await retire('DROP TABLE s.y', ONCE_COUNTING)).toMatchObject({ exitCode: 0 });
  });

  it('after it was made during the count', async () => {
    const acts = [
      [`CREATE TABLE s.z ${TABLE}`, ONCE_COUNTING],
      ['DROP TABLE s.z', ofTable('s.z')],
    ] as const;
    expect(await retireWhile(acts)).toMatchObject({ exitCode: 0 });
  });

  it('again and again', async () => {
    await owner.query(`CREATE TABLE s.z0 ${TABLE}`);
    expect(await retireWhile(Array.from({ length: 4 }, (_, n) => turn(n)))).toMatchObject({ exitCode: 0 });
  });

  it('unless that happens in each snapshot', async () => {
    await owner.query(`CREATE TABLE s.z0 ${TABLE}`);
    const ran = await retireWhile(Array.from({ length: 10 }, (_, n) => turn(n)));
    expect(ran).toMatchObject({ exitCode: 1 });
    expect(ran.stderr).toMatch(/s\.z9\s\(it\swas\sdropped\sbefore\sit\swas\slooked\sat\)/);
  });
});
