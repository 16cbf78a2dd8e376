import { TagResourceCommand } from '@aws-sdk/client-secrets-manager';
import { readFile } from 'node:fs/promises';
import { COMMANDS } from '../../src/cli/commands/all.ts';
import { stopServices } from '../local/support/running-service.ts';
import { HOUR } from '../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, SECRET } from '../support/ring.ts';
import { asDescribed } from './support/described.ts';
import { counting, giveCredentials, pazpazKeys } from './support/operator.ts';

// The SDK tries a throttled call again, after a pause.
beforeAll(giveCredentials);
afterEach(stopServices);

const KEY = keyOf(9).toString('base64');

describe('exit codes', () => {
  test.each([
    ['backup', '--to', 'x.age', '--kms-key-id', 'KMS-KEY-ARN'],
    ['evidence', '--no-rows', '--out', 'x', '--sign-with', 'foo'],
  ])('2 of %s where a KMS key is not named as one', async (...args) => {
    const { exitCode, stderr } = await pazpazKeys(await ringWith(current(1)), args);
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/must\s+name\s+a\s+KMS\s+key/)]);
  });

  test('0 when it is done', async () => {
    const ring = await ringWith(previous(1), current(2));
    expect(await pazpazKeys(ring, ['rollback', '--yes'])).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('1 when it is refused, with the code, what was found and what to do', async () => {
    const ring = await ringWith(current(1));
    const { exitCode, stdout, stderr } = await pazpazKeys(ring, ['rollback', '--yes']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toBe(
      'pazpaz-keys rollback: NOTHING_TO_ROLL_BACK_TO\n' +
        'No version has AWSPREVIOUS, so there is no key to go back to. To make another key current, put one.\n' +
        '  pazpaz-keys put\n',
    );
  });

  test.each([
    [['retire', 'one']],
    [['retire']],
    [['restore', '0']],
    [['rotate', '--timeout', 'soon']],
    [['rotate', '--clean-up', '--wait']],
    [['status', '--no-such-option']],
    [['no-such-command']],
    [['put', '--generate', '--from-env']],
    [['put', '--generate', '--not-current']],
    [['put', '--from-env', 'UNSET']],
    [['status', '--endpoint-url', 'nonsense']],
    [['status', '--endpoint-url', 'ftp://127.0.0.1']],
    [['status', 'of what']],
  ])('2 for wrong usage: %j', async (args) => {
    const ring = await ringWith(current(1));
    const before = ring.snapshot;
    const { exitCode, stderr } = await pazpazKeys(ring, args);
    expect(exitCode).toBe(2);
    expect(stderr).not.toBe('');
    expect(ring.snapshot).toBe(before);
  });

  test.each([
    ['statsu', 'Did you mean status?', 'pazpaz-keys --help'],
    ['help statsu', 'Did you mean status?', 'pazpaz-keys --help'],
    ['status --secretid', 'Did you mean --secret-id?', 'pazpaz-keys status --help'],
    ['retire', 'missing required argument', 'pazpaz-keys retire --help'],
    ['schema statsu', 'Allowed choices are status,', 'pazpaz-keys schema --help'],
  ])('2 for %j, with what was meant and where to read on', async (line, says, next) => {
    const { exitCode, stderr } = await pazpazKeys(await ringWith(current(1)), line.split(' '));
    expect(exitCode).toBe(2);
    expect(stderr).toContain(says);
    expect(stderr).toContain(next);
  });

  test.each(['--secret-id', '--region', '--profile', '--version-id'])('2 for %s with nothing in it', async (option) => {
    const ring = await ringWith(current(1));
    const before = ring.snapshot;
    const { exitCode, stderr } = await pazpazKeys(ring, ['adopt', option, '']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain('it is empty');
    expect(ring.snapshot).toBe(before);
  });

  test.each([
    [['retire', 'one', '--json'], 'retire', 'key number'],
    [['rotate', '--json', '--timeout', 'soon'], 'rotate', 'seconds'],
    [['status', '--json', '--no-such-option'], 'status', '--no-such-option'],
    [['no-such-command', '--json'], 'no-such-command', 'unknown command'],
  ])('2 for %j, as one JSON object and without a word on standard error', async (args, command, says) => {
    const { exitCode, stdout, stderr } = await pazpazKeys(await ringWith(current(1)), args);
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: '' });
    const answer: unknown = JSON.parse(stdout);
    expect(answer).toEqual({
      command,
      error: { code: 'WRONG_USAGE', message: expect.stringContaining(says) as string },
      changes: [],
      warnings: [],
    });
    if (COMMANDS.some(({ name }) => name === command)) asDescribed(command, stdout);
  });

  test('2 for an endpoint in the environment that is no address', async () => {
    const ring = await ringWith(current(1));
    const environment = { AWS_ENDPOINT_URL: 'localhost:4566' };
    const local = await pazpazKeys(ring, ['status'], { environment });
    expect(local.exitCode).toBe(2);
    expect(local.stderr.replace(/\s+/g, ' ')).toContain(
      "AWS_ENDPOINT_URL must hold an http:// or https:// address, found 'localhost:4566'",
    );
  });

  test('2 where no secret is named', async () => {
    const ring = await ringWith(current(1));
    const { exitCode, stderr } = await pazpazKeys(ring, ['status'], { environment: { SECRETS_MANAGER_KEY_NAME: '' } });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--secret-id');
  });

  test('3 when AWS cannot be reached', async () => {
    const ring = await ringWith(current(1));
    ring.service.faults.set({ kind: 'drop' });
    const { exitCode, stderr } = await pazpazKeys(ring, ['status']);
    expect(exitCode).toBe(3);
    expect(stderr).toContain('CANNOT_REACH_AWS');
    expect(stderr).toContain('endpoint');
  });

  test.each([
    ['ThrottlingException', 3, 'try again in a minute'],
    ['InternalServiceError', 3, 'AWS Health Dashboard'],
    ['ExpiredTokenException', 1, 'The credentials have expired'],
    ['UnrecognizedClientException', 1, 'does not accept these credentials'],
    ['InvalidParameterException', 1, 'fix what the message names'],
    ['LimitExceededException', 1, 'A quota of Secrets Manager is reached'],
    ['DecryptionFailure', 1, 'the policies of the secret and of its KMS key'],
  ])('of an answer as it deserves: %s', async (type, wanted, advice) => {
    const ring = await ringWith(current(1));
    ring.service.faults.set({ kind: 'error', type, message: 'no' });
    const { exitCode, stderr } = await pazpazKeys(ring, ['status']);
    expect(exitCode).toBe(wanted);
    expect(stderr.replace(/\s+/g, ' ')).toContain(advice);
    if (type !== 'DecryptionFailure') expect(stderr).not.toContain('Check the caller');
  });

  test('3 where only a value cannot be had for the moment', async () => {
    const ring = await ringWith(current(1));
    ring.service.faults.set({ kind: 'throttle', operation: 'GetSecretValue' });
    expect(await pazpazKeys(ring, ['put', '--yes'], { stdin: KEY })).toMatchObject({ exitCode: 3 });
  });

  test.each(['census', 'reencrypt'])('3 where AWS fails while %s reads the ring for its rows', async (name) => {
    const ring = await ringWith(previous(1), current(2));
    const rows = ['--table', 'patients', '--column', 'notes', '--database-url', 'postgres://127.0.0.1:1/none'];
    ring.service.faults.set({
      kind: 'error',
      type: 'InternalServiceError',
      message: 'no',
      operation: 'DescribeSecret',
    });
    const { exitCode, stderr } = await pazpazKeys(ring, [name, ...rows]);
    expect({ exitCode, code: /: ([A-Z_]+)$/m.exec(stderr)?.[1] }).toEqual({ exitCode: 3, code: 'AWS_REFUSED' });
  });

  test('1 where the secret has all the tags that it can have, in words about that', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const Tags = Array.from({ length: 50 }, (_, index) => ({ Key: `t${index}`, Value: '' }));
    await ring.client.send(new TagResourceCommand({ SecretId: SECRET, Tags }));
    const { exitCode, stderr } = await pazpazKeys(ring, ['retire', '1', '--force', '--confirm', '1']);
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/TOO_MANY_TAGS\s+AWS allows 50 tags a secret/);
    expect(ring.labels).toMatchObject({ 1: 'key-v1' });
  });

  test('1 when AWS answers and refuses', async () => {
    const ring = await ringWith(current(1));
    ring.service.faults.set({ kind: 'error', type: 'AccessDeniedException', message: 'no' });
    expect(await pazpazKeys(ring, ['status'])).toMatchObject({ exitCode: 1 });
  });
});

describe('a command that could do harm', () => {
  test('asks, and does nothing unless the answer is yes', async () => {
    const ring = await ringWith(previous(1), current(2));
    const before = ring.snapshot;
    const no = await pazpazKeys(ring, ['rollback'], { answers: [''] });
    expect(no).toMatchObject({ exitCode: 1 });
    expect(no.stderr).toContain('Move AWSCURRENT back from key 2 to key 1.');
    expect(no.stderr).toContain(`Secret: ${SECRET} (us-east-1, account `);
    expect(no.stderr).toContain('Continue? [y/N]');
    expect(ring.snapshot).toBe(before);
    expect(await pazpazKeys(ring, ['rollback'], { answers: ['y'] })).toMatchObject({ exitCode: 0 });
    expect(ring.labels).toMatchObject({ 1: 'AWSCURRENT key-v1' });
  });

  test.each([['rollback'], ['put'], ['retire', '1'], ['rotate', '--clean-up']])(
    '%s %s is refused without a terminal and without --yes, and says what it would do',
    async (...args: string[]) => {
      const ring = await ringWith(1, previous(2), current(3));
      await ring.service.advance(25 * HOUR);
      if (args[1] === '--clean-up') await ring.begin();
      const before = ring.snapshot;
      const { exitCode, stderr } = await pazpazKeys(ring, args, { stdin: KEY, census: counting() });
      expect(exitCode).toBe(1);
      expect(stderr).toContain('NOT_CONFIRMED');
      expect(stderr).toContain('--yes');
      expect(ring.snapshot).toBe(before);
    },
  );

  test.each([['y'], ['2'], ['']])('a forced retirement does not take %j for the number', async (answer) => {
    const ring = await ringWith(1, previous(2), current(3));
    const before = ring.snapshot;
    const { exitCode, stderr } = await pazpazKeys(ring, ['retire', '1', '--force'], { answers: [answer] });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('lost for good');
    expect(stderr).toContain('Type the number again (1)');
    expect(ring.snapshot).toBe(before);
  });

  test('a forced retirement takes the number, typed or with --confirm, and --yes does not replace it', async () => {
    const ring = await ringWith(1, 2, previous(3), current(4));
    expect(await pazpazKeys(ring, ['retire', '1', '--force', '--yes'])).toMatchObject({ exitCode: 1 });
    expect(await pazpazKeys(ring, ['retire', '1', '--force'], { answers: ['1'] })).toMatchObject({ exitCode: 0 });
    expect(await pazpazKeys(ring, ['retire', '2', '--force', '--confirm', '2'])).toMatchObject({ exitCode: 0 });
    expect(ring.labels).toMatchObject({ 1: '', 2: '' });
  });
});

describe('--dry-run', () => {
  test.each<[string[], string]>([
    [
      ['rollback'],
      'move AWSCURRENT from version 00000000-0000-4000-8000-000000000003 to version 00000000-0000-4000-8000-000000000002',
    ],
    [['put'], 'store a value as the new version with AWSCURRENT'],
    [['put', '--not-current'], 'attach key-v4 to the new version'],
    [['retire', '1'], 'detach key-v1 from version 00000000-0000-4000-8000-000000000001'],
    [['rotate'], 'start a rotation to the new version'],
    [['adopt'], 'Dry run: nothing would be changed.'],
    [['restore', '1'], 'Dry run: nothing would be changed.'],
    [['rotate', '--clean-up'], 'Dry run: nothing would be changed.'],
  ])('%j changes nothing, asks no one, and says what would be changed', async (args, says) => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.enableRotation();
    await ring.service.advance(25 * HOUR);
    const before = ring.snapshot;
    ring.service.calls.clear();
    const { exitCode, stdout } = await pazpazKeys(ring, [...args, '--dry-run'], { stdin: KEY, census: counting() });
    expect(exitCode).toBe(0);
    expect(stdout).toContain(says);
    expect(stdout).not.toContain(KEY);
    expect(ring.snapshot).toBe(before);
    const made = ring.service.calls.calls.map(({ operation }) => operation);
    expect(made.filter((operation) => !/^(Describe|Get|List)/.test(operation))).toEqual([]);
  });

  test('says the very changes that the command then makes', async () => {
    const ring = await ringWith(previous(), current());
    const args = ['put', '--not-current', '--json'];
    const planned = JSON.parse((await pazpazKeys(ring, [...args, '--dry-run'], { stdin: KEY })).stdout) as object;
    const made = JSON.parse((await pazpazKeys(ring, args, { stdin: KEY })).stdout) as object;
    expect(planned).toEqual({ ...made, dryRun: true });
  });

  test('says what would be done, where the command itself says what was', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.service.advance(25 * HOUR);
    const around = { census: counting() };
    const planned = await pazpazKeys(ring, ['retire', '1', '--dry-run'], around);
    expect(planned.stdout).toContain(`It would:\n  set the tag pazpaz:retired:key-v1`);
    expect(planned.stdout).toContain(`\n  detach key-v1 from version ${ring.idOf(1)}\n`);
    const made = await pazpazKeys(ring, ['retire', '1', '--yes'], around);
    expect(made.stdout).toContain(`Changed:\n  set the tag pazpaz:retired:key-v1`);
    expect(made.stdout).toContain(`\n  detached key-v1 from version ${ring.idOf(1)}\n`);
  });

  test('is refused where the command would be', async () => {
    const ring = await ringWith(current(1));
    expect(await pazpazKeys(ring, ['rollback', '--dry-run'])).toMatchObject({ exitCode: 1 });
  });
});

describe('a key', () => {
  test.each<[string, string[], object]>([
    ['standard input', [], { stdin: `${KEY}\n` }],
    ['an environment variable', ['--from-env', 'OLD_KEY'], { environment: { OLD_KEY: KEY } }],
    ['ENCRYPTION_MASTER_KEY', ['--from-env'], { environment: { ENCRYPTION_MASTER_KEY: KEY } }],
  ])('comes from %s, and shows nowhere', async (_, args, around) => {
    const ring = await ringWith(current(1));
    const ran = await pazpazKeys(ring, ['put', '--yes', ...args], around);
    expect(ran.exitCode).toBe(0);
    expect(ring.valueOf(2)).toBe(KEY);
    expect(JSON.stringify(ran)).not.toContain(KEY);
  });

  test('that is none is refused in words that do not show it', async () => {
    const ring = await ringWith(current(1));
    const half = KEY.slice(0, 24);
    const { exitCode, stderr } = await pazpazKeys(ring, ['put', '--yes'], { stdin: half });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Standard input: a key must be 32 bytes, got 18 bytes');
    expect(stderr).not.toContain(half);
  });

  test('is made by --generate', async () => {
    const ring = await ringWith(current(1));
    await pazpazKeys(ring, ['put', '--generate', '--yes']);
    expect(ring.labels).toMatchObject({ 2: 'AWSCURRENT key-v2' });
    expect(Buffer.from(ring.valueOf(2), 'base64')).toHaveLength(32);
  });

  test('is no argument of any command', async () => {
    const ring = await ringWith(current(1));
    expect(await pazpazKeys(ring, ['put', KEY, '--yes'])).toMatchObject({ exitCode: 2 });
  });
});

describe('the screen', () => {
  test('of rotate --wait tells its course and ends with the new key', async () => {
    const ring = await ringWith(current(1));
    await ring.enableRotation();
    const { exitCode, stdout, stderr } = await pazpazKeys(ring, ['rotate', '--wait']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('A rotation has started');
    expect(stdout).toContain('Now key 2 is current.');
  });

  test('has no colours outside of a terminal, and none with NO_COLOR', async () => {
    const ring = await ringWith(current(1));
    expect((await pazpazKeys(ring, ['status'])).stdout).not.toContain('\u001b[');
    const refused = ['rollback', '--yes'];
    expect((await pazpazKeys(ring, refused, { answers: [] })).stderr).toContain('\u001b[');
    const without = await pazpazKeys(ring, refused, { answers: [], environment: { NO_COLOR: '1' } });
    expect(without.stderr).not.toContain('\u001b[');
  });

  test.each([
    [{}, true],
    [{ NO_COLOR: '' }, true],
    [{ NO_COLOR: '1' }, false],
    [{ TERM: 'dumb' }, false],
  ])('on a terminal, with %j in the environment, is painted: %j', async (environment, isPainted) => {
    const ring = await ringWith(current(1));
    for (const command of ['status', 'doctor']) {
      const { stdout } = await pazpazKeys(ring, [command], { isOnTerminal: true, environment });
      expect(stdout.includes('\u001b[')).toBe(isPainted);
    }
    const { stdout } = await pazpazKeys(ring, ['status', '--json'], { isOnTerminal: true, environment });
    expect(stdout).not.toContain('\u001b[');
  });

  test('does not pass on control characters of a label', async () => {
    const ring = await ringWith(current(1));
    await ring.label('red\u001b[31m', 1);
    expect((await pazpazKeys(ring, ['status'])).stdout).toContain('red?[31m');
  });

  test('every command has a help text with an example', async () => {
    const ring = await ringWith(current(1));
    const { stdout } = await pazpazKeys(ring, ['--help']);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name ?? '');
    expect(commands).toContain('retire');
    for (const command of commands.filter((name) => name !== 'help' && name !== 'pazpaz')) {
      const help = await pazpazKeys(ring, [command, '--help']);
      expect(help.exitCode).toBe(0);
      expect(help.stdout).toMatch(new RegExp(`Examples?:\\n  .*pazpaz-keys ${command}`));
      if (['completion', 'schema'].includes(command)) continue;
      for (const option of ['--secret-id', '--region', '--endpoint-url', '--profile', '--json']) {
        expect(help.stdout).toContain(`  ${option} `);
      }
    }
  });

  test('has the version of the package', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { readonly version: string };
    expect(await pazpazKeys(await ringWith(current(1)), ['--version'])).toMatchObject({
      exitCode: 0,
      stdout: `${version}\n`,
    });
  });

  test.each(['census', 'reencrypt', 'retire'])(
    'warns in the help of %s of a password on the command line',
    async (name) => {
      const { stdout } = await pazpazKeys(await ringWith(current(1)), [name, '--help']);
      expect(stdout.replace(/\s+/g, ' ')).toMatch(
        /--database-url <url> PostgreSQL address without its password.*PGPASSWORD/,
      );
    },
  );

  test('names the secret that is shown', async () => {
    const ring = await ringWith(current(1));
    expect((await pazpazKeys(ring, ['status'])).stdout).toContain(SECRET);
  });
});
