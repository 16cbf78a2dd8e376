import { decryptField } from '../../../src/format/field.ts';
import { KeyMaterial } from '../../../src/format/key-material.ts';
import { rowFromJson } from '../../../src/format/row-from-json.ts';
import { giveCredentials, pazpazKeys, type Ran } from '../../cli/support/operator.ts';
import { OLD_FORMS, oldBox } from '../../format/support/old-application.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, keyOf, ringWith, type TestRing } from '../../support/ring.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';
import { patientRow } from '../support/patients.ts';

/* Values in which an application keeps something beside the ciphertext: re-encryption loses none of it. */

let postgres: Postgres;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
});
afterEach(stopServices);
afterAll(() => postgres.stop());

function keys(ring: TestRing, ...args: readonly string[]): Promise<Ran> {
  const column = ['--table', 'kept', '--column', 'notes', '--context', 'patients:{id}:notes'];
  return pazpazKeys(ring, [...args, ...column], { environment: { DATABASE_URL: postgres.url } });
}

/** A table of these values, whose ids count from 1. */
async function fill(type: 'bytea' | 'text' | 'jsonb', ...values: readonly (string | Buffer)[]): Promise<void> {
  const { client } = postgres;
  await client.query(`DROP TABLE IF EXISTS kept; CREATE TABLE kept (id int PRIMARY KEY, notes ${type})`);
  for (const [index, value] of values.entries())
    await client.query('INSERT INTO kept VALUES ($1, $2)', [index + 1, type === 'bytea' ? Buffer.from(value) : value]);
}

async function allStored<T>(): Promise<readonly T[]> {
  const { rows } = await postgres.client.query<{ notes: T }>('SELECT notes FROM kept ORDER BY id');
  return rows.map(({ notes }) => notes);
}

async function stored<T>(): Promise<T | undefined> {
  return (await allStored<T>())[0];
}

const box = () => oldBox('older', { key: keyOf(1) }).toString('base64');
const versioned = (more: object = {}) => ({ version: 'v1', ciphertext: box(), algorithm: 'AES-256-GCM', ...more });
const withData = (more: object = {}) => ({ data: `v1:${box()}`, ...more });
const opened = (value: unknown, id = 1) =>
  decryptField(rowFromJson(value), KeyMaterial.fromBytes(keyOf(2)), `patients:${id}:notes`);

test('a jsonb object keeps its other members: in form (d), also with a member data of the application, and (e)', async () => {
  const kept = [{ note: 'keep me' }, { data: 'clear words' }, { note: 'keep me' }];
  const values = [versioned(kept[0]), versioned(kept[1]), withData(kept[2])];
  const ring = await ringWith(1, current(2));
  await fill('jsonb', ...values.map((value) => JSON.stringify(value)));
  expect(await keys(ring, 'reencrypt')).toMatchObject({ exitCode: 0 });
  const after = await allStored<object>();
  expect(after).toMatchObject(kept);
  expect(after.map((value, index) => opened(value, index + 1))).toEqual(kept.map(() => 'older'));
  expect((await keys(ring, 'reencrypt')).stdout).toContain('0 rows re-encrypted under key 2, 3 there already');
  expect(await allStored<object>()).toEqual(after);
});

test('a jsonb object of form (d) alone becomes the ciphertext', async () => {
  const ring = await ringWith(1, current(2));
  await fill('jsonb', JSON.stringify(versioned()));
  expect(await keys(ring, 'reencrypt')).toMatchObject({ exitCode: 0 });
  expect(typeof (await stored())).toBe('string');
  expect(opened(await stored())).toBe('older');
});

const card = (id: number) =>
  JSON.stringify(withData({ other: patientRow('inner', 1, id).toString('base64'), hint: 'the last four: 1234' }));

test.each([
  [
    'a string of jsonb that holds an object',
    'jsonb',
    [JSON.stringify(JSON.stringify({ ...withData(), type: 'card' }))],
  ],
  ['form (d) in bytea', 'bytea', [JSON.stringify(versioned({ note: 'keep me' }))]],
  [
    'form (d), form (e) and a member that stands twice in text',
    'text',
    [
      JSON.stringify(versioned({ note: 'keep me' })),
      JSON.stringify(withData({ note: 'keep me' })),
      `{"data":"words","data":"v1:${box()}"}`,
    ],
  ],
] as const)('any other value is listed and stays as it is: %s', async (_, type, values) => {
  expect(await left(type, values)).toEqual({ legacy: { 1: values.length }, toReencrypt: 0, nested: {} });
});

test.each([
  ['text', 'text', [card(1)]],
  [
    'a named member of jsonb, also as base64',
    'jsonb',
    [
      JSON.stringify({ data: 'words', card: card(1) }),
      JSON.stringify({ card: Buffer.from(card(2)).toString('base64') }),
    ],
  ],
] as const)('a ciphertext beside it is counted, in JSON in %s', async (_, type, values) => {
  const member = type === 'jsonb' ? ['--member', 'card'] : [];
  const all = values.length;
  expect(await left(type, values, member)).toEqual({ legacy: { 1: all }, toReencrypt: 0, nested: { 1: all } });
});

/** Returns what a census says of the values after they were left. */
async function left(type: 'bytea' | 'text' | 'jsonb', values: readonly string[], member: readonly string[] = []) {
  const ring = await ringWith(1, current(2));
  await fill(type, ...values);
  const before = await allStored();
  expect(await keys(ring, 'reencrypt', '--dry-run', ...member)).toMatchObject({
    stdout: expect.stringContaining('Would re-encrypt 0 rows') as string,
  });
  const ran = await keys(ring, 'reencrypt', ...member);
  expect(ran.exitCode).toBe(1);
  for (const index of values.keys()) expect(ran.stdout).toContain(`${index + 1}: OTHER_MEMBERS`);
  expect(await allStored()).toEqual(before);
  const { stdout } = await keys(ring, 'census', '--json', ...member);
  const { result } = JSON.parse(stdout) as { result: { columns: Record<string, unknown>[] } };
  const [{ legacy, toReencrypt, nested } = {}] = result.columns;
  return { legacy, toReencrypt, nested };
}

test('older data without other members is re-encrypted in every form', async () => {
  const ring = await ringWith(1, current(2));
  const forms = Object.values(OLD_FORMS);
  await fill('bytea', ...forms.map((form) => form('older', { key: keyOf(1) })));
  const ran = await keys(ring, 'reencrypt');
  expect(ran).toMatchObject({ exitCode: 0, stdout: expect.stringContaining(`${forms.length} rows re-enc`) as string });
});
