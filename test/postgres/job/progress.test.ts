import { Readable } from 'node:stream';
import { run } from '../../../src/cli/run.ts';
import type { ProcessIo } from '../../../src/cli/process-io.ts';
import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { endpointOf, giveCredentials } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, keyOf, ringWith, SECRET } from '../../support/ring.ts';
import { majorVersion, startPostgres, type Postgres } from '../support/postgres.ts';

const REENCRYPT = ['reencrypt', '--batch-rows', '100', '--lanes', '1'];
const COLUMN = ['--table', 'patients', '--column', 'notes', '--context', 'p:{id}'];

let postgres: Postgres;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
});
afterEach(() => {
  jest.restoreAllMocks();
});
afterAll(async () => {
  await stopServices();
  await postgres.stop();
});

/** What a command over some batches shows beside its result, where `step` milliseconds pass from each look at it to the next. */
async function shown(rows: number, isTTY: boolean, step: number, ...command: readonly string[]): Promise<string> {
  await postgres.client.query('DROP TABLE IF EXISTS patients');
  await postgres.client.query('CREATE TABLE patients (id int PRIMARY KEY, notes bytea)');
  const ids = Array.from({ length: rows }, (_, index) => index + 1);
  await postgres.client.query('INSERT INTO patients SELECT * FROM unnest($1::int[], $2::bytea[])', [
    ids,
    ids.map((id) => encryptField(`note ${id}`, keyOf(1), `p:${id}`, { number: toKeyNumber(1) })),
  ]);
  await postgres.client.query('ANALYZE patients');
  return screen(isTTY, step, ...command);
}

/** What a command shows beside its result. */
async function screen(isTTY: boolean, step: number, ...command: readonly string[]): Promise<string> {
  const ring = await ringWith(1, current(2));
  process.env['AWS_ENDPOINT_URL_SECRETS_MANAGER'] = await endpointOf(ring);

  let shownSoFar = '';
  let now = Date.now();
  jest.spyOn(Date, 'now').mockImplementation(() => now);
  const unused = () => Promise.reject(new Error('not asked for'));
  const world: ProcessIo = {
    environment: { SECRETS_MANAGER_KEY_NAME: SECRET, AWS_REGION: 'us-east-1', DATABASE_URL: postgres.url },
    stdout: { write: () => undefined },
    stderr: { write: (text) => (shownSoFar += text), isTTY },
    stdin: Object.assign(Readable.from(['']), { isTTY }),
    ask: unused,
    now: () => new Date((now += step)),
    sleep: unused,
    randomKey: () => Buffer.alloc(0),
    newVersionId: () => '',
  };
  expect(await run(['node', 'pazpaz-keys', ...command, ...COLUMN], world)).toBe(0);
  return shownSoFar;
}

describe('while rows are re-encrypted', () => {
  it('a terminal shows one line, redrawn, with the rate of all processes and the time left, and then none', async () => {
    const drawn = (await shown(2000, true, 600, ...REENCRYPT)).split('\r\u001b[2K').slice(1);
    expect(drawn.at(-1)).toBe('');
    const lines = drawn.slice(0, -1);
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.join('')).not.toContain('\n');
    for (const line of lines) {
      expect(line).toMatch(
        /^patients\.notes: [\d,]+ of about 2,000 rows(, \d+ rows\/s \(at most 5,000\), about \d+ s left)?$/,
      );
    }
    expect(lines.filter((line) => line.includes(' left')).length).toBeGreaterThan(5);
  });

  it('anything else gets plain lines', async () => {
    // The last line is for the collector of logs.
    const text = (await shown(2000, false, 6000, ...REENCRYPT)).replace(/\{.*"key_usage".*\}\n$/, '');
    expect(text).toMatch(
      /^(patients\.notes: [\d,]+ of about 2,000 rows(, \d+ rows\/s \(at most 5,000\), about \d+ (s|min) left)?\n){5,}$/,
    );
    expect(text).toContain(' left\n');
  });

  it('a warning of a query that other processes do not ask comes before the first line', async () => {
    if ((await majorVersion(postgres)) < 14) return;
    await shown(3, false, 6000, ...REENCRYPT);
    await postgres.client.query('UPDATE pazpaz_keys.job SET finished_at = NULL');
    await postgres.client.query('CREATE ROLE writer LOGIN IN ROLE pg_write_all_data');
    const text = await screen(false, 6000, ...REENCRYPT, '--pause-while', 'SELECT 0');
    await postgres.client.query('DROP ROLE writer');
    expect(text).toMatch(/^warning: Running processes now wait, unless they were .* writer, a member of .* it off\.\n/);
    expect(text.match(/warning/g)).toHaveLength(1);
  });

  it('and --json shows nothing but its result', async () => {
    expect(await shown(2000, true, 600, ...REENCRYPT, '--json')).toBe('');
  });
});

describe.each([[['census']], [['reencrypt', '--dry-run']]])('while rows are counted: %j', (command) => {
  it('a terminal shows the same line', async () => {
    const drawn = (await shown(5000, true, 600, ...command)).split('\r\u001b[2K').slice(1);
    expect(drawn.pop()).toBe('');
    expect(drawn.length).toBeGreaterThan(1);
    expect(drawn.at(-1)).toMatch(/^patients\.notes: 5,000 of about 5,000 rows, [\d,]+ rows\/s, about 0 s left$/);
  });

  it('anything else gets plain lines', async () => {
    expect(await shown(5000, false, 11_000, ...command)).toMatch(
      /^(patients\.notes: [\d,]+ of about 5,000 rows.*\n){2,}$/,
    );
  });
});
