import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { startPostgres, type Postgres } from '../postgres/support/postgres.ts';
import { stopServices } from '../local/support/running-service.ts';
import { DAY } from '../local/support/state-machine.ts';
import { keyOf, ringWith, type TestRing } from '../support/ring.ts';
import { giveCredentials, pazpazKeys } from './support/operator.ts';

let postgres: Postgres;
let folder: string;

beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
  folder = await mkdtemp(join(tmpdir(), 'operate-'));
});
afterAll(async () => {
  await postgres.stop();
  await rm(folder, { recursive: true });
});
afterEach(stopServices);

/** The guide's secret, rotated when it was deployed and a year later; a month has passed since. */
async function rotatedRing(): Promise<TestRing> {
  const ring = await ringWith();
  await ring.put(keyOf(1).toString('base64'), randomUUID());
  await ring.rotate({ ClientRequestToken: randomUUID() });
  await ring.service.advance(366 * DAY);
  await ring.service.idle();
  await ring.service.advance(30 * DAY);
  return ring;
}

/** A thousand rows under the current key, and more that were written before. */
async function fillPatients(ring: TestRing): Promise<void> {
  const rows = Array.from({ length: 2500 }, (_, index) => {
    const id = index + 1;
    const number = id > 1500 ? 3 : id > 700 ? 2 : id > 300 ? 1 : 0;
    const key = KeyMaterial.fromBytes(Buffer.from(ring.valueOf(Math.max(1, number)), 'base64'));
    return encryptField('Patient has diabetes', key, `patients:${id}:notes`, {
      number: number === 0 ? 0 : toKeyNumber(number),
    });
  });
  await postgres.client.query('CREATE TABLE patients (id int PRIMARY KEY, notes bytea)');
  await postgres.client.query(
    'INSERT INTO patients SELECT ordinality, row FROM unnest($1::bytea[]) WITH ORDINALITY row',
    [rows],
  );
  const columns = [{ table: 'patients', column: 'notes', context: 'patients:{id}:notes' }];
  await writeFile(join(folder, 'columns.json'), JSON.stringify(columns));
}

/** The block of docs/operate.md that begins with a command of ours. */
async function blockOfPage(): Promise<string> {
  const page = await readFile('docs/operate.md', 'utf8');
  return /^```text\n(\$ pazpaz-keys [^]*?)^```$/m.exec(page)?.[1] ?? '';
}

/** A screen without what differs from run to run: dates, VersionIds and seconds. */
function steady(screen: string): string {
  return screen
    .replace(/\d{4}-\d\d-\d\d/g, 'yyyy-mm-dd')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'version-id')
    .replace(/, at http:\S+$/m, '')
    .replace(/\d+ s (ahead of|behind) /, 'n s off ');
}

test('docs/operate.md shows what status, reencrypt and doctor print, one after the other', async () => {
  const ring = await rotatedRing();
  await fillPatients(ring);
  const environment = {
    DATABASE_URL: postgres.url,
    ENCRYPTION_MASTER_KEY: randomBytes(32).toString('base64'),
  };
  const block = await blockOfPage();
  const screens: string[] = [];
  for (const [prompt, command = ''] of block.matchAll(/^\$ pazpaz-keys (.*)$/gm)) {
    const args = command.replace('columns.json', join(folder, 'columns.json')).split(' ');
    const { stdout, stderr } = await pazpazKeys(ring, args, { environment });
    // On a screen there is no log, and only a slow machine tells how far it is.
    const progress = /^patients\.notes: .* rows\/s .*\n/gm;
    expect(stderr.replace(progress, '').replace(/^\{.*"key_usage".*\}\n$/, '')).toBe('');
    screens.push(`${prompt}\n${stdout}`);
  }
  expect(steady(block)).toBe(steady(screens.join('\n')));
  expect(screens.map((screen) => /keys (\w+)/.exec(screen)?.[1])).toEqual(['status', 'reencrypt', 'doctor']);
});
