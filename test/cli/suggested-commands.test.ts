import { CreateSecretCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { withOptions } from '../../src/cli/suggested-commands.ts';
import { stopServices } from '../local/support/running-service.ts';
import { HOUR } from '../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, SECRET, type TestRing } from '../support/ring.ts';
import { counting, endpointOf, giveCredentials, pazpazKeys } from './support/operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

describe('a suggested command line', () => {
  const LINE = 'Next: pazpaz-keys rotate --clean-up, or pazpaz-keys retire 1.';

  test('gets the options that this one was given', () => {
    const options = { secretId: 'B', region: 'eu-west-1', profile: 'operator', endpointUrl: 'http://127.0.0.1:4566' };
    const flags = '--secret-id B --region eu-west-1 --profile operator --endpoint-url http://127.0.0.1:4566';
    expect(withOptions(LINE, options)).toBe(
      `Next: pazpaz-keys rotate ${flags} --clean-up, or pazpaz-keys retire ${flags} --columns columns.json 1.`,
    );
  });

  test('gets those that say which rows where it needs them, and where none were given a file', () => {
    const rows = { table: 'patients', column: 'notes', key: 'id', context: "patients:{id}:it's" };
    expect(withOptions('pazpaz-keys reencrypt', rows)).toBe(
      "pazpaz-keys reencrypt --table patients --column notes --key id --context 'patients:{id}:it'\\''s'",
    );
    expect(withOptions('pazpaz-keys census', { columns: 'my columns.json' })).toBe(
      "pazpaz-keys census --columns 'my columns.json'",
    );
    expect(withOptions('pazpaz-keys reencrypt', {})).toBe('pazpaz-keys reencrypt --columns columns.json');
    // What a value is bound to, in encrypt and decrypt, says nothing of rows.
    expect(withOptions('pazpaz-keys reencrypt', { context: 'patients:7:notes' })).toBe(
      'pazpaz-keys reencrypt --columns columns.json',
    );
  });

  test.each([
    ['postgres://pazpaz:hunter2@db.example/pazpaz', 'postgres://pazpaz@db.example/pazpaz'],
    ['postgres://db.example/pazpaz?user=pazpaz&password=hunter2', "'postgres://db.example/pazpaz?user=pazpaz'"],
  ])('shows no password: %s', (databaseUrl, shown) => {
    expect(withOptions('pazpaz-keys census', { databaseUrl })).toBe(
      `pazpaz-keys census --database-url ${shown} --columns columns.json`,
    );
  });

  test('keeps a secret of its own, and is left as it is where nothing was given', () => {
    const doctor = 'pazpaz-keys doctor --secret-id C';
    expect(withOptions(doctor, { secretId: 'B', region: 'eu-west-1' })).toBe(
      'pazpaz-keys doctor --region eu-west-1 --secret-id C',
    );
    for (const line of ['pazpaz-keys adopt', 'pazpaz-keys schema status', 'pazpaz-keys retire --help', 'rotate']) {
      expect(withOptions(line, {})).toBe(line);
    }
  });
});

describe('whatever a command suggests acts on the secret that it was given', () => {
  const OTHER = 'pazpaz/other';

  /** A ring, and beside it a secret without a rotation and with three keys, the last two of which have no number. */
  async function besideRing(): Promise<TestRing> {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.client.send(new CreateSecretCommand({ Name: OTHER }));
    for (const place of [1, 2, 3]) {
      const value = { SecretId: OTHER, SecretString: keyOf(place).toString('base64') };
      await ring.client.send(new PutSecretValueCommand(value));
    }
    await ring.service.advance(25 * HOUR);
    return ring;
  }

  /** Command lines in what was printed, each with what follows it; not a refusal's own headline. */
  const suggestedIn = (printed: string): readonly string[] =>
    printed
      .split(/(?=pazpaz-keys )/)
      .filter((part) =>
        /^pazpaz-keys (status|doctor|rotate|rollback|put|adopt|retire|restore|reencrypt)\b(?!:)/.test(part),
      );

  test.each([
    [['status']],
    [['doctor']],
    [['rotate']],
    [['rollback', '--yes']],
    [['rollback', '--undo', '--yes']],
    [['retire', '1', '--yes']],
    [['retire', '9', '--yes']],
    [['restore', '1']],
    [['adopt', '--version-id', '00000000-0000-4000-8000-000000000000']],
  ])('%j', async (args) => {
    const ring = await besideRing();
    const endpoint = ['--endpoint-url', await endpointOf(ring)];
    for (const json of [[], ['--json']]) {
      const all = [...args, ...json, '--secret-id', OTHER, ...endpoint];
      const { stdout, stderr } = await pazpazKeys(ring, all, { census: counting({ rows: { 1: 1 } }) });
      const suggested = suggestedIn(`${stdout}\n${stderr}`);
      expect(suggested.filter((part) => !part.includes('--secret-id '))).toEqual([]);
      if (['status', 'doctor', 'retire', 'restore'].includes(args[0] ?? '')) expect(suggested).not.toEqual([]);
    }
  });

  test('not where it is the plaintext of a row that names a command', async () => {
    const ring = await ringWith(current(1));
    const text = 'see pazpaz-keys status';
    const args = ['--secret-id', SECRET];
    const { stdout } = await pazpazKeys(ring, ['encrypt', ...args], { stdin: text });
    expect((await pazpazKeys(ring, ['decrypt', ...args], { stdin: stdout })).stdout).toBe(`${text}\n`);
    const json = await pazpazKeys(ring, ['decrypt', '--json', ...args], { stdin: stdout });
    expect(JSON.parse(json.stdout)).toMatchObject({ result: { plaintext: text } });
  });
});
