import pg from 'pg';
import { headerCensus } from '../../../src/postgres/header-census.ts';
import { findColumns } from '../../../src/postgres/find-columns.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { Clinic, startPostgres } from '../support/clinic.ts';
import type { Postgres } from '../support/postgres.ts';

let postgres: Postgres;
let databases = 0;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

/** Does `work` in a database of this encoding. */
async function inEncoding(encoding: string, work: (clinic: Clinic) => Promise<void>): Promise<void> {
  databases += 1;
  const name = `encoded${databases}`;
  await postgres.client.query(`CREATE DATABASE ${name} ENCODING '${encoding}' TEMPLATE template0`);
  const url = new URL(postgres.url);
  url.pathname = name;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    await work(await Clinic.withKeys({ ...postgres, url: url.href, client }, 2));
  } finally {
    await client.end();
  }
}

/** A text of these bytes, as SQL: nothing converts it. */
const textOf = (hex: string, encoding: string) => `convert_from('\\x${hex}', '${encoding}')`;
const hexOf = (text: string) => Buffer.from(text).toString('hex');

/** Bytes that are not UTF-8, or stand for nothing. */
const BAD: readonly [string, string][] = [
  ['SQL_ASCII', 'c820'],
  ['WIN1252', '41818d'],
  ['EUC_JP', 'f5a1'],
];

it.each(BAD)(
  '%s: a value without a form in UTF-8 is one unreadable row, and the others are brought',
  async (encoding, bad) =>
    inEncoding(encoding, async (clinic) => {
      const row = clinic.row('a', 1).toString('base64');
      await clinic.sql(`CREATE TABLE patients (id int PRIMARY KEY, notes text, data jsonb);
      INSERT INTO patients VALUES (1, '${row}', '{"data": "${row}"}'), (2, ${textOf(bad, encoding)}, '{}'),
        (3, ${textOf(bad + hexOf(row), encoding)}, NULL)`);
      if (encoding !== 'SQL_ASCII') {
        await clinic.sql(
          `UPDATE patients SET data = jsonb_build_object('data', '${row}', 'x', ${textOf(bad, encoding)}) WHERE id = 1`,
        );
      }
      const [notes, data] = ['notes', 'data'].map((column) => ({ table: 'patients', column }));
      if (notes === undefined || data === undefined) throw new Error('two columns');
      const counted = await clinic.census(notes);
      expect(counted).toMatchObject({ rows: 3, numbered: { 1: 1 }, unreadable: 2 });
      expect(counted.listed.map(({ key }) => key)).toEqual([['2'], ['3']]);
      expect((await clinic.reencrypt(notes)).totals).toMatchObject({ reencrypted: 1, left: 2 });
      expect((await clinic.reencrypt(data)).totals).toMatchObject({ reencrypted: 1, left: 1 });
      expect(await clinic.census(notes)).toMatchObject({ numbered: { 2: 1 }, unreadable: 2 });
      expect(await clinic.census(data)).toMatchObject({ numbered: { 2: 1 }, unreadable: 1, nulls: 1 });
      const [kept] = await clinic.sql<{ hex: string }>(
        `SELECT encode(convert_to(notes, '${encoding}'), 'hex') AS hex FROM patients WHERE id = 2`,
      );
      expect(kept?.hex).toBe(bad);
      expect(await headerCensus(clinic.postgres, [notes])).toMatchObject([{ rows: 3, other: 2, looksLike: { 2: 1 } }]);
      // One of its values opens, and what is inside another one, too.
      const { columns, skipped } = await findColumns(clinic.postgres, clinic.keys);
      expect(skipped).toEqual([]);
      expect(columns.map(({ column }) => column)).toContain('notes');
    }),
);

it.each([
  ['SQL_ASCII', hexOf('é'), 'c8'],
  ['LATIN1', 'e9', undefined],
  ['WIN1252', 'e9', '81'],
])('%s: contexts and keys are read as texts, one without a form in UTF-8 is not', async (encoding, good, bad) =>
  inEncoding(encoding, async (clinic) => {
    const rows = ['é', 'x'].map((id) => clinic.row('a', 1, `p:${id}`).toString('base64'));
    await clinic.sql(`CREATE TABLE patients (id int PRIMARY KEY, name text NOT NULL UNIQUE, notes text);
      INSERT INTO patients VALUES (1, ${textOf(good, encoding)}, '${rows[0] ?? ''}'), (2, 'x', '${rows[1] ?? ''}')`);
    const spec = { table: 'patients', column: 'notes', context: 'p:{name}' };
    const byName = { ...spec, key: ['name'] };
    expect(await clinic.census(byName)).toMatchObject({ numbered: { 1: 2 } });
    expect((await clinic.reencrypt(byName, { batchRows: 1 })).totals).toMatchObject({ reencrypted: 2, left: 0 });
    if (bad === undefined) return;
    await clinic.sql(`INSERT INTO patients VALUES (3, ${textOf(bad, encoding)}, '${rows[1] ?? ''}')`);
    expect(await clinic.census(spec)).toMatchObject({ numbered: { 2: 2 }, unreadable: 1, listed: [{ key: ['3'] }] });
    expect(await clinic.census(byName)).toMatchObject({ numbered: { 2: 2 }, unreadable: 1 });
    expect((await clinic.reencrypt(spec)).left).toMatchObject([{ key: ['3'] }]);
    const error = await rejectionOf(clinic.reencrypt(byName, { startOver: true }));
    expect(error.message).toContain('no form in UTF-8');
    expect(error.message).toContain('--key');
  }),
);
