import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Evidence } from '../../../src/cli/evidence/evidence.ts';
import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { asDescribed } from '../../cli/support/described.ts';
import { giveCredentials, pazpazKeys, type Ran } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringBefore, type TestRing } from '../../support/ring.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

/* One list names two members of one column: every command handles both, and names each. */

let postgres: Postgres;
let folder: string;
let ring: TestRing;
const ROWS = 20;

beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  folder = mkdtempSync(join(tmpdir(), 'pazpaz-two-members-'));
  const doc = { table: 'docs', column: 'doc' };
  const list = [
    { ...doc, context: 'docs:{id}:data' },
    { ...doc, member: 'ssn', context: 'docs:{id}:ssn' },
  ];
  writeFileSync(join(folder, 'columns.json'), JSON.stringify(list));
});
beforeEach(async () => {
  // The database says when a row was re-encrypted.
  ring = await ringBefore(25 * HOUR, 1, previous(2), current(3));
  await ring.enableRotation();
  await ring.service.advance(25 * HOUR);
  await postgres.client.query('DROP SCHEMA IF EXISTS pazpaz_keys CASCADE; DROP TABLE IF EXISTS docs');
  await postgres.client.query('CREATE TABLE docs (id int PRIMARY KEY, doc jsonb)');
  for (let id = 1; id <= ROWS; id += 1) {
    const seal = (member: string) =>
      encryptField('text', keyOf(1), `docs:${id}:${member}`, { number: toKeyNumber(1) }).toString('base64');
    await postgres.client.query('INSERT INTO docs VALUES ($1, $2)', [id, { data: seal('data'), ssn: seal('ssn') }]);
  }
});
afterEach(stopServices);
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await postgres.stop();
});

function run(command: string, ...args: readonly string[]): Promise<Ran> {
  return pazpazKeys(ring, [command, ...args], { environment: { DATABASE_URL: postgres.url } });
}

const LIST = () => ['--columns', join(folder, 'columns.json')];
const BOTH = [{ column: 'doc' }, { column: 'doc', member: 'ssn' }];

test('reencrypt and census name each member, on the screen and in JSON', async () => {
  const dry = await run('reencrypt', '--dry-run', ...LIST());
  expect(dry.stdout).toContain('public.docs.doc (owner postgres): 20 rows');
  expect(dry.stdout).toContain('public.docs.doc->ssn (owner postgres): 20 rows');
  const reencrypted = await run('reencrypt', '--json', ...LIST());
  expect(reencrypted.exitCode).toBe(0);
  const { columns } = asDescribed('reencrypt', reencrypted.stdout)['result'] as { columns: object[] };
  expect(columns).toMatchObject(BOTH.map((one) => ({ ...one, isFinished: true, totals: { reencrypted: ROWS } })));
  expect(columns[0]).not.toHaveProperty('member');
  const again = await run('reencrypt', ...LIST());
  expect(again.stdout).toContain('public.docs.doc->ssn (owner postgres): 0 rows re-encrypted under key 3, 20 there');
  const counted = await run('census', '--json', ...LIST());
  expect(asDescribed('census', counted.stdout)).toMatchObject({
    result: { columns: BOTH.map((one) => ({ ...one, numbered: { 3: ROWS }, toReencrypt: 0 })) },
  });
  const estimated = await run('census', '--headers', '--json', ...LIST());
  expect(asDescribed('census', estimated.stdout)).toMatchObject({ result: { columns: BOTH } });
});

test('maintain re-encrypts both and retires the key, whose record names both', async () => {
  const kept = await run('maintain', '--json', '--retire', 'do', ...LIST());
  expect(asDescribed('maintain', kept.stdout)).toMatchObject({
    result: {
      reencrypted: BOTH.map((one) => ({ ...one, isFinished: true, rows: ROWS, left: 0 })),
      counted: BOTH.map((one) => ({ ...one, rows: ROWS })),
      retired: [],
    },
  });
  await ring.service.advance(25 * HOUR);
  const next = await run('maintain', '--json', '--retire', 'do', ...LIST());
  expect(asDescribed('maintain', next.stdout)).toMatchObject({ result: { reencrypted: [], retired: [{ number: 1 }] } });
  expect(ring.snapshot).toContain('public.docs.doc@postgres=20 public.docs.doc:ssn@postgres=20');
  const again = await run('maintain', '--json', ...LIST());
  expect(asDescribed('maintain', again.stdout)).toMatchObject({ result: { reencrypted: [], retired: [] } });
});

test('a key that one of two members needs is not retired', async () => {
  await run('reencrypt', '--table', 'docs', '--column', 'doc', '--context', 'docs:{id}:data');
  const before = ring.snapshot;
  const retired = await run('retire', '1', '--yes', ...LIST());
  expect(retired).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('20 rows') as string });
  expect(ring.snapshot).toBe(before);
});

test('an evidence report counts both members', async () => {
  const out = join(folder, 'evidence');
  await run('evidence', '--out', out, ...LIST());
  const { rows } = JSON.parse(readFileSync(join(out, 'evidence.json'), 'utf8')) as Evidence;
  expect(rows).toMatchObject({ columns: BOTH.map((one) => ({ ...one, numbered: { 1: ROWS } })) });
  expect(readFileSync(join(out, 'evidence.html'), 'utf8')).toContain('public.docs.doc-&gt;ssn');
});

test('the job of one member is addressed by --member, and those of all members by their column', async () => {
  await run('reencrypt', ...LIST());
  await postgres.client.query('UPDATE pazpaz_keys.job SET finished_at = NULL');
  const column = ['--table', 'docs', '--column', 'doc'];
  const paused = await run('reencrypt', '--pause', ...column, '--member', 'ssn');
  expect(paused.stdout).toContain('public.docs.doc->ssn (owner postgres), to key 3: 20 rows read');
  expect(paused.stdout).not.toContain('public.docs.doc (owner');
  const shown = await run('reencrypt', '--show', '--json', ...column);
  expect(asDescribed('reencrypt', shown.stdout)).toMatchObject({
    result: {
      jobs: [
        { column: 'doc', isPaused: false },
        { column: 'doc', member: 'ssn', isPaused: true },
      ],
    },
  });
  const ofData = await run('reencrypt', '--show', ...column, '--member', 'data');
  expect(ofData.stdout).toContain('public.docs.doc (owner postgres)');
  expect(ofData.stdout).not.toContain('ssn');
  const other = await run('reencrypt', '--show', ...column, '--member', 'other');
  expect(other.stderr.replaceAll(/\s+/g, ' ')).toContain('No re-encryption of docs.doc->other is unfinished');
  const withoutTable = await run('reencrypt', '--pause', '--member', 'ssn');
  expect(withoutTable).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('Which rows?') as string });
});
