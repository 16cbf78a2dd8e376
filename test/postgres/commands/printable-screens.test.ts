import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { giveCredentials, pazpazKeys } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith } from '../../support/ring.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

let postgres: Postgres;
beforeAll(async () => {
  giveCredentials();
  postgres = await startPostgres();
});
afterEach(stopServices);
afterAll(() => postgres.stop());

/** What others can put into a row's key, or the name of a table: title, colours, C1, direction, a line of its own, a tag. */
const HOSTILE = [
  '\u001b]0;owned\u0007',
  '\u001b[2J\u001b[31m',
  '\u009b31m',
  '\u202egnp',
  'a\n  key 1: 0 rows',
  'x\u{e0041}',
  'a\r',
];

/** What a screen has beside text: our colours, and the line that is drawn again. */
// eslint-disable-next-line no-control-regex
const OURS = /\r\u001b\[2K|\u001b\[(?:1|2|22|3[1-3]|39)m|\n/g;

describe('keys and names that hold control characters', () => {
  const TABLE = 'notes\u001b[31m\u202e of';
  const COLUMN = ['--table', `"${TABLE}"`, '--column', 'no\u0007tes'];

  beforeEach(async () => {
    await postgres.client.query(`DROP TABLE IF EXISTS "${TABLE}"`);
    await postgres.client.query(`CREATE TABLE "${TABLE}" (id text PRIMARY KEY, "no\u0007tes" bytea)`);
    const row = encryptField('x', keyOf(1), 'another context', { number: toKeyNumber(1) });
    for (const key of HOSTILE) await postgres.client.query(`INSERT INTO "${TABLE}" VALUES ($1, $2)`, [key, row]);
  });

  it.each([['census'], ['reencrypt'], ['reencrypt', '--dry-run'], ['retire', '1', '--yes']])(
    'reach no screen: %s %s',
    async (...command) => {
      const ring = await ringWith(1, previous(2), current(3));
      await ring.service.advance(25 * HOUR);
      for (const url of [postgres.url, `${postgres.url}?application_name=%1b[31m`]) {
        const environment = { DATABASE_URL: url };
        const ran = await pazpazKeys(ring, [...command, ...COLUMN], { environment, isOnTerminal: true, answers: [] });
        const shown = ran.stdout + ran.stderr;
        expect(shown).toContain('notes?[31m? of');
        expect(shown.replace(OURS, '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
        expect(shown).not.toContain('\u001b[31m? of');
        expect(shown).not.toMatch(/^ {2}key 1: 0 rows/m);
      }
    },
  );

  it('are whole in JSON, behind escapes', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const environment = { DATABASE_URL: postgres.url };
    const { stdout } = await pazpazKeys(ring, ['census', '--json', ...COLUMN], { environment });
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    const { result } = JSON.parse(stdout) as { result: { columns: [{ listed: { key: string[] }[] }] } };
    expect(result.columns[0].listed.map(({ key }) => key[0]).sort()).toEqual([...HOSTILE].sort());
  });
});
