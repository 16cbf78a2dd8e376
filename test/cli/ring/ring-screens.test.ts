import { stopServices } from '../../local/support/running-service.ts';
import { current, holding, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { asDescribed } from '../support/described.ts';
import { counting, giveCredentials, pazpazKeys } from '../support/operator.ts';
import { settledRing } from '../support/retiring.ts';

/* What retire, restore and rollback show: their help, their result on the screen, and the shape of it in JSON. */

beforeAll(giveCredentials);
afterEach(stopServices);

const COUNTED = [{ relation: 'public.patients', column: 'notes', owner: 'app', rows: 2000 }];
const CENSUS = counting({ counted: COUNTED });

/** The screen of a command that succeeds, in the lines before the changes that it made. */
async function screen(ring: TestRing, ...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await pazpazKeys(ring, args, { census: CENSUS });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout.replace(/\n\n?Changed[^]*?(?=\n\n|$)/, '').trimEnd();
}

/** The answer to `--json`, held to the schema of the command. */
async function json(ring: TestRing, ...args: readonly string[]): Promise<unknown> {
  const { stdout } = await pazpazKeys(ring, [...args, '--json'], { census: CENSUS });
  return asDescribed(args[0] ?? '', stdout)['result'];
}

/** What a help text says of this command alone, in one line each. */
async function help(name: string): Promise<readonly string[]> {
  const { stdout } = await pazpazKeys(await ringWith(current(1)), [name, '--help']);
  return stdout
    .replace(/\n {20,}/g, ' ')
    .split('\n')
    .map((line) => line.trim().replace(/ {2,}/, '  '));
}

describe('retire shows', () => {
  test('what was retired and counted, and what was gone before', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    expect(await screen(ring, 'retire', '1', '--yes')).toBe(
      'Retired: key 1. Until AWS deletes a key, restore brings it back.\n' +
        'Counted, and no row needs it:\n  public.patients.notes (owner app): 2,000 rows\n' +
        'Columns that are not listed were only sampled (up to 1,200 values): others may need the key.',
    );
    expect(await screen(ring, 'retire', '1', '--yes')).toBe('No longer on the ring: key 1.\nNothing was changed.');
    expect(await screen(ring, 'retire', '2', '1', '--force', '--confirm', '2')).toBe(
      'Retired: key 2. Until AWS deletes a key, restore brings it back. No longer on the ring: key 1.',
    );
  });

  test('its result in JSON, with what was counted', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    const expected = { retired: [{ number: 1, versionId: ring.idOf(1) }], alreadyRetired: [], counted: COUNTED };
    expect(await json(ring, 'retire', '1', '--yes')).toMatchObject(expected);
  });

  test('in its schema what each member is, and that it has no others', async () => {
    const { stdout } = await pazpazKeys(await ringWith(current(1)), ['schema', 'retire']);
    expect(stdout).toContain('The rows that were counted before; absent without a census');
  });

  test('that no row was counted, where nothing says which ones', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    expect(await pazpazKeys(ring, ['retire', '1', '--yes'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('NO_CENSUS') as string,
    });
  });

  test('in its help what it takes, and when it refuses', async () => {
    const lines = await help('retire');
    expect(lines).toContain('Take keys off the ring that no row needs any more, so that AWS may delete them.');
    expect(lines.join(' ')).toMatch(
      /until 24 hours after the last change of the secret and the last re-encryption of a row of the key, .*a census finds rows.* restore /,
    );
    expect(lines).toEqual(
      expect.arrayContaining([
        'numbers  numbers of the keys',
        '--force  skip census and waiting time: rows may be lost for good',
        '--empty-is-fine  accept columns without a single value as evidence',
        '--skipped-is-fine  accept that tables could not be looked at for columns that are not listed',
        '--confirm <numbers>  the same numbers again, for --force without a terminal',
        '-y, --yes  do not ask',
        'pazpaz-keys retire 1 --columns columns.json --dry-run',
        "pazpaz-keys retire 1 2 --table patients --column notes --context 'patients:{id}:notes' --yes",
        'pazpaz-keys retire 1 --force --confirm 1',
      ]),
    );
  });

  test('which of its arguments is no key number', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    const { exitCode, stderr } = await pazpazKeys(ring, ['retire', '1', 'two', '--yes']);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("'two' is not a key number");
  });
});

describe('restore shows', () => {
  test('whether the key is back, or was there before', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    await screen(ring, 'retire', '1', '--yes');
    expect(await screen(ring, 'restore', '1')).toBe(`Key 1 is back on the ring (version ${ring.idOf(1)}).`);
    const there = `Key 1 is on the ring (version ${ring.idOf(1)}).`;
    expect(await screen(ring, 'restore', '1')).toBe(`${there}\nNothing was changed.`);
  });

  test('its result in JSON', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    await screen(ring, 'retire', '1', '--yes');
    expect(await json(ring, 'restore', '1')).toEqual({ versionId: ring.idOf(1), numbers: [1], wasThere: false });
  });

  test('in its help what it takes', async () => {
    const lines = await help('restore');
    expect(lines).toEqual(
      expect.arrayContaining([
        'Usage: pazpaz-keys restore [options] <numbers...>',
        'Bring retired keys back, while AWS still has them.',
        'numbers  the numbers of the keys',
        '--dry-run  change nothing, and show what would be changed',
        'pazpaz-keys restore 1',
      ]),
    );
    // It never asks, and takes --yes only so that one line fits all commands in a script.
    expect(lines.join('\n')).not.toContain('--yes');
  });
});

describe('rollback shows', () => {
  test('which key is current, which was left, and how to go forward again', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    expect(await screen(ring, 'rollback', '--yes')).toBe('Now key 2 is current again. Key 3 still decrypts.');
    const again = await screen(ring, 'rollback', '--yes');
    expect(again).toContain('Key 2 is current already; key 3, which is newer, was left.');
    expect(again).toContain('rollback --undo makes key 3 current again.');
    expect(again).toContain('pazpaz-keys rollback --undo');
    const forward = await screen(ring, 'rollback', '--undo', '--yes');
    expect(forward).toBe('Now key 3 is current again. Key 2 still decrypts.');
  });

  test('that the version which was left holds no key', async () => {
    const ring = await ringWith(previous(1), holding('not a key', current()));
    const { stdout } = await pazpazKeys(ring, ['rollback', '--yes']);
    expect(stdout).toContain('Now key 1 is current again. The version that was left does not hold a key.\n');
  });

  test('its result in JSON, twice', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    expect(await json(ring, 'rollback', '--yes')).toEqual({ outcome: 'rolled back', currentNumber: 2, leftNumber: 3 });
    expect(await json(ring, 'rollback', '--yes')).toEqual({
      outcome: 'is rolled back already',
      currentNumber: 2,
      leftNumber: 3,
    });
  });

  test('in its help what it does', async () => {
    const lines = await help('rollback');
    expect(lines.join(' ')).toMatch(/Both keys keep their numbers.* Running it twice changes nothing more\./);
    expect(lines).toEqual(
      expect.arrayContaining([
        'Make the previous key current again.',
        '--undo  undo a rollback: make the newer key current again',
        '-y, --yes  do not ask',
        'pazpaz-keys rollback --dry-run',
        'pazpaz-keys rollback --yes',
      ]),
    );
  });
});

test('a person at a terminal learns why a command that changes nothing waits', async () => {
  const ring = await ringWith(previous(1), current(2));
  const line = 'AWS may be a few seconds behind: looking again.\n';
  for (const args of [['adopt'], ['rotate', '--clean-up'], ['retire', '99']]) {
    const { stderr } = await pazpazKeys(ring, args, { answers: [] });
    expect([args, stderr.split(line)]).toEqual([args, [expect.any(String), expect.any(String)]]);
    expect((await pazpazKeys(ring, args)).stderr).not.toContain(line);
  }
});
