import { CreateSecretCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { PROGRAM, speller, step } from '../../src/cli/suggested-commands.ts';
import { stopServices } from '../local/support/running-service.ts';
import { HOUR } from '../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, SECRET, type TestRing } from '../support/ring.ts';
import { counting, endpointOf, giveCredentials, pazpazKeys } from './support/operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

describe('a suggested command', () => {
  test('gets the options that this one was given', () => {
    const options = { secretId: 'B', region: 'eu-west-1', profile: 'operator', endpointUrl: 'http://127.0.0.1:4566' };
    const spell = speller(PROGRAM, options);
    const flags = '--secret-id B --region eu-west-1 --profile operator --endpoint-url http://127.0.0.1:4566';
    expect(spell(step('rotate', '--clean-up'))).toBe(`pazpaz-keys rotate --clean-up ${flags}`);
    expect(spell(step('retire', '1'))).toBe(`pazpaz-keys retire 1 ${flags} --columns columns.json`);
  });

  test('of the AWS CLI gets them, too', () => {
    const spell = speller(PROGRAM, { region: 'eu-west-1', profile: 'op', endpointUrl: 'http://127.0.0.1:4566' });
    expect(spell('aws secretsmanager restore-secret --secret-id B')).toBe(
      'aws --region eu-west-1 --profile op --endpoint-url http://127.0.0.1:4566 secretsmanager restore-secret --secret-id B',
    );
    expect(spell('aws logs tail "$(aws lambda get-function-configuration --region eu-west-2)"')).toBe(
      'aws --profile op logs tail "$(aws --profile op lambda get-function-configuration --region eu-west-2)"',
    );
    expect(spell('sam deploy')).toBe('sam deploy');
  });

  test('gets those that say which rows where it needs them, and where none were given a file', () => {
    const rows = { table: 'patients', column: 'notes', key: 'id', context: "patients:{id}:it's" };
    expect(speller(PROGRAM, rows)(step('reencrypt'))).toBe(
      "pazpaz-keys reencrypt --table patients --column notes --key id --context 'patients:{id}:it'\\''s'",
    );
    expect(speller(PROGRAM, { columns: 'my columns.json' })(step('census'))).toBe(
      "pazpaz-keys census --columns 'my columns.json'",
    );
    expect(speller(PROGRAM, {})(step('reencrypt'))).toBe('pazpaz-keys reencrypt --columns columns.json');
    // What a value is bound to, in encrypt and decrypt, says nothing of rows.
    expect(speller(PROGRAM, { context: 'patients:7:notes' })(step('reencrypt'))).toBe(
      'pazpaz-keys reencrypt --columns columns.json',
    );
  });

  test('of a re-encryption keeps the context that rows are moved to, and what else decides about them', () => {
    const options = { table: 't', column: 'c', member: 'm', context: 'a:{id}', toContext: 'b:{id}', triggers: 'skip' };
    const spell = speller(PROGRAM, { ...options, legacy: false });
    const rows = "--table t --column c --member m --context 'a:{id}'";
    expect(spell(step('reencrypt', '--start-over'))).toBe(
      `pazpaz-keys reencrypt --start-over ${rows} --to-context 'b:{id}' --triggers skip --no-legacy`,
    );
    expect(spell(step('census'))).toBe(`pazpaz-keys census ${rows}`);
  });

  test.each([
    ['postgres://pazpaz:hunter2@db.example/pazpaz', ' --database-url postgres://pazpaz@db.example/pazpaz'],
    [
      'postgres://db.example/pazpaz?user=pazpaz&password=hunter2',
      " --database-url 'postgres://db.example/pazpaz?user=pazpaz'",
    ],
    // Of these a password's second half would be in the path, the query or the fragment.
    ['postgres://pazpaz:hunt@er/2@db.example/pazpaz', ''],
    ['postgres://pazpaz:hunt@er?2@db.example/pazpaz', ''],
    ['postgres://pazpaz:hunt@er#2@db.example/pazpaz', ''],
  ])('shows no password: %s', (databaseUrl, shown) => {
    expect(speller(PROGRAM, { databaseUrl })(step('census'))).toBe(`pazpaz-keys census${shown} --columns columns.json`);
  });

  test('keeps a secret of its own, and is left as it is where no option was given', () => {
    const doctor = { command: 'doctor', args: [], secretId: 'C' } as const;
    expect(speller(PROGRAM, { secretId: 'B', region: 'eu-west-1' })(doctor)).toBe(
      'pazpaz-keys doctor --secret-id C --region eu-west-1',
    );
    expect(speller(PROGRAM, {})(step('adopt'))).toBe('pazpaz-keys adopt');
  });

  test('starts the program as this one was started', () => {
    expect(speller('node bin/pazpaz-keys.mjs', { secretId: 'B' })(step('adopt'))).toBe(
      'node bin/pazpaz-keys.mjs adopt --secret-id B',
    );
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
