import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { asDescribed } from '../../cli/support/described.ts';
import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith } from '../../support/ring.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

let postgres: Postgres;
let clinic: Clinic;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  clinic = await Clinic.withKeys(postgres, 3);
});
beforeEach(async () => {
  for (const schema of ['clinic', 'other'])
    await clinic.sql(`DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema}`);
});
afterEach(stopServices);
afterAll(() => postgres.stop());

const TEN = Array.from({ length: 10 }, (_, at) => at);
const base64 = (row: Buffer) => row.toString('base64');
const environment = () => ({ DATABASE_URL: postgres.url });

/** A table of `clinic` with one column of these values. */
async function column(name: string, type: string, values: readonly (string | Buffer | null)[]): Promise<void> {
  await clinic.sql(`CREATE TABLE clinic.${name} (id int GENERATED ALWAYS AS IDENTITY, v ${type})`);
  for (const value of values) await clinic.sql(`INSERT INTO clinic.${name} (v) VALUES ($1)`, [value]);
}

function sealed(text: string, context: string): Buffer {
  return encryptField(text, keyOf(3), context, { number: toKeyNumber(3) });
}

describe('retire, with a list that lacks a column', () => {
  const agedRing = async () => {
    const ring = await ringWith(1, 2, previous(3), current(4));
    await ring.service.advance(25 * HOUR);
    return ring;
  };
  const counted = ['--table', 'clinic.rows', '--column', 'v'];
  beforeEach(async () => {
    await column('rows', 'bytea', [sealed('listed', '')]);
    await clinic.sql('ALTER TABLE clinic.rows ADD PRIMARY KEY (id)');
  });

  it('names it in its question and in JSON, where its values look like ciphertexts', async () => {
    const ring = await agedRing();
    await column('cards', 'jsonb', TEN.map((at) => JSON.stringify({ card: base64(sealed(`${at}`, 'x')) }))); // prettier-ignore
    const asked = await pazpazKeys(ring, ['retire', '1', ...counted], { environment: environment(), answers: ['n'] });
    expect(asked.stderr).toContain('Not counted, though it looks encrypted:\n  clinic.cards.v->card\n');
    const json = await pazpazKeys(ring, ['retire', '1', '--yes', '--json', ...counted], { environment: environment() });
    expect(asDescribed('retire', json.stdout)).toMatchObject({ result: { unlisted: ['clinic.cards.v->card'] } });
  });

  it('is refused where a key that would go opens a value in it', async () => {
    const ring = await agedRing();
    const forgotten = encryptField('forgotten', keyOf(1), '', { number: toKeyNumber(1) });
    await column('cards', 'text', [...TEN.map((at) => `plain ${at}`), base64(forgotten)]);
    const before = ring.snapshot;
    const ran = await pazpazKeys(ring, ['retire', '1', '--yes', ...counted], { environment: environment() });
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toMatch(/ROWS_STILL_NEED_KEY[^]*clinic\.cards\.v/);
    expect(ring.snapshot).toBe(before);
  });

  it('is refused where a sample shows no value of the key, unless the operator accepts it', async () => {
    const ring = await agedRing();
    await column('cards', 'bytea', [sealed('another key', '')]);
    const refused = await pazpazKeys(ring, ['retire', '1', '--yes', ...counted], { environment: environment() });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/NO_CENSUS[^]*clinic\.cards\.v[^]*--unlisted-is-fine/);
    const args = ['retire', '1', '--yes', '--unlisted-is-fine', ...counted];
    const dry = await pazpazKeys(ring, [...args, '--dry-run'], { environment: environment() });
    expect(dry.stderr).toMatch(/Not counted, though it looks encrypted:\n\s+clinic\.cards\.v/);
    expect(await pazpazKeys(ring, args, { environment: environment() })).toMatchObject({ exitCode: 0 });
  });

  it('is refused where values in it begin with the number, in a context that is not listed', async () => {
    const ring = await agedRing();
    await column('cards', 'bytea', [encryptField('forgotten', keyOf(1), 'cards:1', { number: toKeyNumber(1) })]);
    const refused = await pazpazKeys(ring, ['retire', '1', '--yes', ...counted], { environment: environment() });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(/NO_CENSUS[^]*clinic\.cards\.v/);
  });

  it('is refused where a value in it opens in a listed context', async () => {
    const ring = await agedRing();
    const forgotten = encryptField('forgotten', keyOf(1), 'rows:7', { number: toKeyNumber(1) });
    await clinic.sql('UPDATE clinic.rows SET v = $1', [sealed('listed', 'rows:1')]);
    await clinic.sql('CREATE TABLE clinic.rows_2020 (id int, v bytea)');
    await clinic.sql('INSERT INTO clinic.rows_2020 VALUES (7, $1)', [forgotten]);
    const args = ['retire', '1', '--yes', ...counted, '--context', 'rows:{id}'];
    const ran = await pazpazKeys(ring, args, { environment: environment() });
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toMatch(/ROWS_STILL_NEED_KEY[^]*clinic\.rows_2020\.v/);
  });

  it('and tables that their owner closes is refused, unless the operator accepts it', async () => {
    await clinic.sql(`CREATE ROLE looker LOGIN IN ROLE pg_read_all_stats; CREATE ROLE mallory; GRANT ALL ON SCHEMA other TO mallory;
      GRANT USAGE ON SCHEMA clinic, other TO looker; GRANT SELECT ON clinic.rows TO looker; SET ROLE mallory;
      CREATE TABLE other.a (id int, v bytea); CREATE TABLE other.b (LIKE other.a); CREATE TABLE other.c (LIKE other.a);
      GRANT SELECT ON other.a, other.b, other.c TO looker;
      CREATE FUNCTION other.spy(bytea) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true'; RESET ROLE;
      CREATE INDEX ON other.a (id) WHERE other.spy(v); ALTER TABLE other.b ENABLE ROW LEVEL SECURITY`);
    await clinic.sql('BEGIN; LOCK TABLE other.c');
    const ring = await agedRing();
    const around = { environment: { DATABASE_URL: postgres.url.replace('postgres@', 'looker@') } };
    const before = ring.snapshot;
    const columns = [...counted, '--writers-timeout', '0'];
    const refused = await pazpazKeys(ring, ['retire', '1', '--yes', ...columns], around);
    const isUnchanged = ring.snapshot === before;
    const accepting = ['retire', '1', '--skipped-is-fine', ...columns];
    const asked = await pazpazKeys(ring, accepting, { ...around, answers: ['n'] });
    const accepted = await pazpazKeys(ring, [...accepting, '--yes', '--json'], around);
    await clinic.sql('ROLLBACK; DROP OWNED BY looker, mallory CASCADE; DROP ROLE looker, mallory');
    expect({ ...refused, isUnchanged }).toMatchObject({ exitCode: 1, isUnchanged: true });
    const said = refused.stderr.replace(/\s+/g, ' ');
    for (const why of [/other\.a \([^;]*other\.spy/, /other\.b \(row security/, /other\.c \([^;]*process/])
      expect(said).toMatch(new RegExp(`NO_CENSUS .*${why.source}.*--skipped-is-fine`));
    const { result } = asDescribed('retire', accepted.stdout) as { result: { skipped: { table: string }[] } };
    expect(result.skipped.map(({ table }) => table).sort()).toEqual(['other.a', 'other.b', 'other.c']);
    for (const { table } of result.skipped) {
      expect(asked.stderr).toMatch(new RegExp(`Not looked at:\n[^]*  ${table}: `));
      expect(ring.secret.tags[0]?.Value).toMatch(new RegExp(` skipped=\\S*${table}`));
    }
  });
});
