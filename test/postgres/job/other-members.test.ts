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

async function fill(type: 'bytea' | 'text' | 'jsonb', value: string): Promise<void> {
  const { client } = postgres;
  await client.query(`DROP TABLE IF EXISTS kept; CREATE TABLE kept (id int PRIMARY KEY, notes ${type})`);
  await client.query('INSERT INTO kept VALUES (1, $1)', [type === 'bytea' ? Buffer.from(value) : value]);
}

async function stored<T>(): Promise<T | undefined> {
  return (await postgres.client.query<{ notes: T }>('SELECT notes FROM kept')).rows[0]?.notes;
}

const box = () => oldBox('older', { key: keyOf(1) }).toString('base64');
const versioned = (more: object = {}) => ({ version: 'v1', ciphertext: box(), algorithm: 'AES-256-GCM', ...more });
const withData = (more: object = {}) => ({ data: `v1:${box()}`, ...more });
const opened = (value: unknown) =>
  decryptField(rowFromJson(value), KeyMaterial.fromBytes(keyOf(2)), 'patients:1:notes');

test.each([
  ['form (d)', versioned({ note: 'keep me' }), { note: 'keep me' }],
  ['form (d) with a member data of the application', versioned({ data: 'clear words' }), { data: 'clear words' }],
  ['form (e)', withData({ note: 'keep me' }), { note: 'keep me' }],
])('a jsonb object keeps its other members: %s', async (_, value, kept) => {
  const ring = await ringWith(1, current(2));
  await fill('jsonb', JSON.stringify(value));
  expect(await keys(ring, 'reencrypt')).toMatchObject({ exitCode: 0 });
  const after = await stored<object>();
  expect(after).toMatchObject(kept);
  expect(opened(after)).toBe('older');
  expect((await keys(ring, 'reencrypt')).stdout).toContain('0 rows re-encrypted under key 2, 1 there already');
  expect(await stored<object>()).toEqual(after);
});

test('a jsonb object of form (d) alone becomes the ciphertext', async () => {
  const ring = await ringWith(1, current(2));
  await fill('jsonb', JSON.stringify(versioned()));
  expect(await keys(ring, 'reencrypt')).toMatchObject({ exitCode: 0 });
  expect(typeof (await stored())).toBe('string');
  expect(opened(await stored())).toBe('older');
});

const inner = patientRow('inner', 1, 1).toString('base64');
const card = () => JSON.stringify(withData({ other: inner, hint: 'the last four: 1234' }));

test.each([
  ['a string of jsonb that holds an object', 'jsonb', JSON.stringify(JSON.stringify({ ...withData(), type: 'card' }))],
  ['form (d) in text', 'text', JSON.stringify(versioned({ note: 'keep me' }))],
  ['form (d) in bytea', 'bytea', JSON.stringify(versioned({ note: 'keep me' }))],
  ['form (e) in text', 'text', JSON.stringify(withData({ note: 'keep me' }))],
  ['a member that stands twice', 'text', `{"data":"words","data":"v1:${box()}"}`],
] as const)('any other value is listed and stays as it is: %s', async (_, type, value) => {
  expect(await left(type, value)).toEqual({ legacy: { 1: 1 }, toReencrypt: 0, nested: {} });
});

test.each([
  ['in text', 'text', card()],
  ['in a named member of jsonb', 'jsonb', JSON.stringify({ data: 'words', card: card() })],
  ['as base64 in a member of jsonb', 'jsonb', JSON.stringify({ card: Buffer.from(card()).toString('base64') })],
] as const)('a ciphertext beside it is counted, in JSON %s', async (_, type, value) => {
  const member = type === 'jsonb' ? ['--member', 'card'] : [];
  expect(await left(type, value, member)).toEqual({ legacy: { 1: 1 }, toReencrypt: 0, nested: { 1: 1 } });
});

/** Returns what a census says of the value after it was left. */
async function left(type: 'bytea' | 'text' | 'jsonb', value: string, member: readonly string[] = []) {
  const ring = await ringWith(1, current(2));
  await fill(type, value);
  const before = await stored();
  expect(await keys(ring, 'reencrypt', '--dry-run', ...member)).toMatchObject({
    stdout: expect.stringContaining('Would re-encrypt 0 rows') as string,
  });
  const ran = await keys(ring, 'reencrypt', ...member);
  expect(ran.exitCode).toBe(1);
  expect(ran.stdout).toContain('1: OTHER_MEMBERS');
  expect(await stored()).toEqual(before);
  const { stdout } = await keys(ring, 'census', '--json', ...member);
  const { result } = JSON.parse(stdout) as { result: { columns: Record<string, unknown>[] } };
  const [{ legacy, toReencrypt, nested } = {}] = result.columns;
  return { legacy, toReencrypt, nested };
}

test.each(Object.entries(OLD_FORMS))('older data without other members is re-encrypted: %s', async (_, form) => {
  const ring = await ringWith(1, current(2));
  await fill('bytea', '');
  await postgres.client.query('UPDATE kept SET notes = $1', [form('older', { key: keyOf(1) })]);
  expect(await keys(ring, 'reencrypt')).toMatchObject({ exitCode: 0 });
});
