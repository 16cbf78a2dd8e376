import { runPutNotCurrent } from '../../../src/cli/commands/put.ts';
import { runRestore } from '../../../src/cli/commands/restore.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { retiredKeys } from '../../../src/format/retired-tag.ts';
import { noCensus } from '../../../src/cli/rows/row-count.ts';
import type { CommandDependencies } from '../../../src/cli/aws/operator.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { DAY, HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { counting, giveCredentials, numbers, operatorOf, pazpazKeys, valueOf } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';
import { killedBetween, retire, settledRing } from '../support/retiring.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

describe('retire', () => {
  test('takes the number away and leaves a tag that says what it was', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    const result = await retire(ring, 1);
    expect(result.retired).toMatchObject([{ number: 1, versionId: ring.idOf(1) }]);
    expect(ring.labels).toEqual({ 1: '', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
    expect(ring.secret.tags).toEqual([
      { Key: 'pazpaz:retired:key-v1', Value: `${ring.idOf(1)} ${result.retired[0]?.date ?? ''}` },
    ]);
  });

  test('takes the label of an interrupted put --not-current away as well: adopt would number the key again', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await ring.label('key-incoming', 1);
    expect(ring.labels).toMatchObject({ 1: 'key-incoming key-v1' });
    await ring.service.advance(25 * HOUR);
    await retire(ring, 1);
    expect(ring.labels).toEqual({ 1: '', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
  });

  test('says in question and result what was counted', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    const counted = [{ relation: 'public.patients', column: 'notes', owner: 'app', rows: 2000 }];
    const { deps, questions, changes } = operatorOf(ring);
    const result = await runRetire(deps, counting({ counted }), { numbers: numbers(1) });
    expect(result.counted).toEqual(counted);
    expect(questions).toEqual([
      {
        action: `Retire key 1 (version ${ring.idOf(1)}): AWS may delete it after 24 hours`,
        basis: [
          'Counted, and no row needs it:',
          '  public.patients.notes (owner app): 2,000 rows',
          'Columns that are not listed were only sampled (up to 1,200 values): others may need the key.',
        ],
      },
    ]);
    expect(changes.map(({ change }) => change)).toEqual(['tag-set', 'label-detached']);
    // Where there is something to do, it does not wait for a later description.
    expect(ring.slept).toEqual([]);
  });

  test('says nothing of a count, where nothing was counted', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    const { deps, questions } = operatorOf(ring);
    const result = await runRetire(deps, counting(), { numbers: numbers(1, 2) });
    expect(result.counted).toEqual([]);
    expect(questions).toEqual([
      {
        action: `Retire key 1 (version ${ring.idOf(1)}), key 2 (version ${ring.idOf(2)}): AWS may delete it after 24 hours`,
        basis: [],
      },
    ]);
    const forced = await settledRing(1, previous(2), current(3));
    const options = { numbers: numbers(1), force: true };
    expect(await runRetire(operatorOf(forced).deps, noCensus, options)).not.toHaveProperty('counted');
  });

  test('removes no record, where none is outdated', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      untagResource: () => Promise.reject(new Error('there is nothing to remove')),
    }));
    await runRetire(deps, counting(), { numbers: numbers(1) });
    expect(ring.labels).toMatchObject({ 1: '' });
  });

  test('where AWS refuses the record, keeps the key and says which call it refused', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    ring.service.faults.set({
      operation: 'TagResource',
      kind: 'error',
      type: 'AccessDeniedException',
      message: 'You may not',
    });
    await expect(retire(ring, 1)).rejects.toMatchObject({
      code: 'AWS_REFUSED',
      message: expect.stringContaining('TagResource') as string,
    });
    expect(ring.labels).toMatchObject({ 1: 'key-v1' });
  });

  test('takes several keys at once, and asks the census for all of them', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    const asked: number[][] = [];
    const census = (which: readonly number[]) => {
      asked.push([...which]);
      return counting()(numbers(...which));
    };
    await runRetire(operatorOf(ring).deps, census, { numbers: numbers(2, 1) });
    expect(ring.labels).toMatchObject({ 1: '', 2: '' });
    expect(asked).toEqual([[2, 1]]);
  });

  test('takes every number of a version that has several', async () => {
    const ring = await settledRing(1, 3, previous(4), current(5));
    await ring.label('key-v2', 1);
    await ring.service.advance(25 * HOUR);
    await retire(ring, 1);
    expect(ring.labels).toMatchObject({ 1: '' });
    expect(retiredKeys(ring.secret.tags).map(({ number }) => number)).toEqual([1, 2]);
    await runRestore(operatorOf(ring).deps, toKeyNumber(2));
    expect(ring.labels).toMatchObject({ 1: 'key-v1 key-v2' });
    expect(ring.secret.tags).toEqual([]);
  });

  test('changes nothing when it is repeated', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await retire(ring, 1);
    const once = ring.snapshot;
    const { deps, questions, changes } = operatorOf(ring);
    const census = () => Promise.reject(new Error('there is nothing to count'));
    expect(await runRetire(deps, census, { numbers: numbers(1) })).toEqual({ retired: [], alreadyRetired: [1] });
    expect(ring.snapshot).toBe(once);
    expect([questions, changes]).toEqual([[], []]);
  });

  test('finishes what was interrupted between tag and label, without waiting another day', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await expect(runRetire(killedBetween(ring), counting(), { numbers: numbers(1) })).rejects.toThrow();
    expect(ring.labels).toMatchObject({ 1: 'key-v1' });
    const census = counting({ rows: { 1: 1 } });
    await expect(runRetire(operatorOf(ring).deps, census, { numbers: numbers(1) })).rejects.toMatchObject({
      code: 'ROWS_STILL_NEED_KEY',
    });
    await retire(ring, 1);
    expect(ring.labels).toMatchObject({ 1: '' });
  });

  test('puts a number back that another key loses meanwhile', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      updateSecretVersionStage: async (input) => {
        const output = await secrets.updateSecretVersionStage(input);
        if (input.VersionStage === 'key-v1') await ring.lose('key-v2');
        return output;
      },
    }));
    await runRetire(deps, counting(), { numbers: numbers(1) });
    expect(ring.labels).toMatchObject({ 1: '', 2: 'key-v2' });
  });

  test('is content where someone else has taken the number away already', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      updateSecretVersionStage: async (input) => {
        await ring.lose('key-v1');
        return secrets.updateSecretVersionStage(input);
      },
    }));
    expect(await runRetire(deps, counting(), { numbers: numbers(1) })).toMatchObject({ retired: [{ number: 1 }] });
  });

  test('does not say that it has retired what the service kept', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    ring.service.faults.set({
      operation: 'UpdateSecretVersionStage',
      kind: 'error',
      type: 'InvalidRequestException',
      message: 'You can’t perform this operation on the secret because it was marked for deletion.',
    });
    await expect(retire(ring, 1)).rejects.toMatchObject({ code: 'AWS_REFUSED' });
    expect(ring.labels).toMatchObject({ 1: 'key-v1' });
  });

  test('knows a number that it retired, even if AWS has deleted the version since', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    ring.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    await retire(ring, 1);
    await ring.service.advance(25 * HOUR);
    expect(await retire(ring, 1, 2)).toMatchObject({ retired: [{ number: 2 }], alreadyRetired: [1] });
    expect(await retire(ring, 2, 1)).toEqual({ retired: [], alreadyRetired: [2, 1] });
  });

  test('keeps 20 records at most, the newest, and none whose version is gone', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    const tags = Array.from({ length: 24 }, (_, index) => ({
      Key: `pazpaz:retired:key-v${index + 100}`,
      Value: `${index < 2 ? 'gone'.padEnd(36, '-') : ring.idOf(2)} 2020-01-${String(index + 1).padStart(2, '0')}`,
    }));
    await operatorOf(ring).deps.secrets.tagResource({ SecretId: ring.secret.arn, Tags: tags });
    await ring.service.advance(25 * HOUR);
    await retire(ring, 1);
    const left = retiredKeys(ring.secret.tags).map(({ number }) => number);
    expect(left).toEqual([1, ...Array.from({ length: 19 }, (_, index) => index + 105)]);
  });

  test('C04: a key that was retired gets no new number from the next rotation', async () => {
    const ring = await settledRing(previous(1), current(2));
    await expect(retire(ring, 1)).rejects.toMatchObject({ code: 'KEY_STILL_NEEDED' });
    await ring.rotate();
    await ring.service.advance(2 * DAY);
    await retire(ring, 1);
    await ring.rotate();
    expect(ring.labels).toMatchObject({ 1: '', 2: 'key-v2', 3: 'AWSPREVIOUS key-v3', 4: 'AWSCURRENT key-v4' });
  });
});

describe('retire refuses, and the secret is exactly as it was', () => {
  const refuses = (ring: TestRing, which: number, code: Parameters<typeof refusesUntouched>[2], ...says: string[]) =>
    refusesUntouched(ring, (deps) => runRetire(deps, counting(), { numbers: numbers(which) }), code, ...says);

  test('the current key, the previous one, and a pending one', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await refuses(ring, 3, 'KEY_STILL_NEEDED', 'AWSCURRENT');
    await refuses(ring, 2, 'KEY_STILL_NEEDED', 'AWSPREVIOUS', 'one more move of AWSCURRENT');
    await ring.label('AWSPENDING', 1);
    await ring.service.advance(25 * HOUR);
    await refuses(ring, 1, 'KEY_STILL_NEEDED', 'AWSPENDING', '--clean-up');
  });

  test('the key with the highest number, even if it is none of these', async () => {
    const ring = await ringWith(previous(1), current(2));
    await runPutNotCurrent(operatorOf(ring).deps, valueOf(9));
    await ring.service.advance(25 * HOUR);
    await refuses(ring, 3, 'KEY_STILL_NEEDED', 'highest number');
  });

  test('a number that was never given', async () => {
    await refuses(
      await settledRing(1, previous(2), current(3)),
      4,
      'KEY_NEVER_ISSUED',
      'highest number on the ring is 3',
      '\npazpaz-keys status',
    );
  });

  test('a number below the highest that is nowhere, and of which no retirement is recorded', async () => {
    const ring = await settledRing(1, 4, previous(5), current(6));
    await refuses(
      ring,
      3,
      'KEY_NEVER_ISSUED',
      'no record that it was retired',
      "'status' lists",
      '\npazpaz-keys status',
    );
    const both = (deps: CommandDependencies) => runRetire(deps, counting(), { numbers: numbers(1, 3) });
    await refusesUntouched(ring, both, 'KEY_NEVER_ISSUED');
  });

  test('while a rotation is under way, forced or not', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await ring.begin();
    await ring.step('createSecret');
    await ring.service.advance(25 * HOUR);
    ring.lambda = 'fails';
    await refuses(ring, 1, 'ROTATION_UNDER_WAY');
    const force = (deps: CommandDependencies) => runRetire(deps, noCensus, { numbers: numbers(1), force: true });
    await refusesUntouched(ring, force, 'ROTATION_UNDER_WAY');
  });

  test('by the clock of AWS, however wrong the one of this machine is', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const before = ring.snapshot;
    const around = { census: counting(), clockError: 48 * HOUR };
    const { exitCode, stderr } = await pazpazKeys(ring, ['retire', '1', '--yes'], around);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('TOO_EARLY_TO_RETIRE');
    expect(ring.snapshot).toBe(before);
  });

  test('C07: until the last change is more than 24 hours ago; it names that date and the earliest time', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const changed = new Date(ring.secret.lastChangedDate);
    await ring.service.advance(24 * HOUR - 60_000);
    const earliest = new Date(changed.getTime() + 24 * HOUR).toISOString();
    await refuses(ring, 1, 'TOO_EARLY_TO_RETIRE', changed.toISOString().slice(0, 19), earliest.slice(0, 19));
    await ring.service.advance(120_000);
    await retire(ring, 1);
    expect(ring.labels).toMatchObject({ 1: '' });
  });

  test.each([
    ['of that number', { rows: { 1: 3 } }, '3 rows of key 1', 'reencrypt'],
    ['with number 0', { rowsWithNumberZero: 10 }, '10 rows with number 0', 'reencrypt'],
    ['without a number', { legacyRows: 10 }, '10 rows without a number', 'reencrypt'],
    ['that nothing opens', { unattributableRows: 1 }, '1 row that no key opens', 'pazpaz-keys census'],
    ['that the census does not see', { isComplete: false }, 'rows that the census cannot see', 'pazpaz-keys census'],
  ])('C08: while the census finds a row %s', async (_, found, says, next) => {
    const ring = await settledRing(1, previous(2), current(3));
    const census = counting(found);
    await refusesUntouched(
      ring,
      (deps) => runRetire(deps, census, { numbers: numbers(1) }),
      'ROWS_STILL_NEED_KEY',
      says,
      next,
    );
  });

  test('without a census', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await refusesUntouched(ring, (deps) => runRetire(deps, noCensus, { numbers: numbers(1) }), 'NO_CENSUS', '--force');
  });

  test('one of several, and then none of them goes', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await refusesUntouched(ring, (deps) => runRetire(deps, counting(), { numbers: numbers(1, 2) }), 'KEY_STILL_NEEDED');
  });

  test('before it has counted a single row, whatever can be told without counting', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const census = () => Promise.reject(new Error('the census must not run'));
    await refusesUntouched(ring, (deps) => runRetire(deps, census, { numbers: numbers(1) }), 'TOO_EARLY_TO_RETIRE');
  });
});

describe('retire --force', () => {
  test.each([
    ['--confirm', ['--confirm', '1 2'], undefined],
    ['at the question', [], ['1, 2']],
  ])('takes the numbers in any order: %s', async (_, more, answers) => {
    const ring = await ringWith(1, 2, previous(3), current(4));
    const around = answers === undefined ? {} : { answers };
    expect(await pazpazKeys(ring, ['retire', '2', '1', '--force', ...more], around)).toMatchObject({ exitCode: 0 });
    expect(ring.labels).toMatchObject({ 1: '', 2: '' });
  });

  test.each(['1', '1 2 3', ''])('does not take %j for 2 and 1', async (confirm) => {
    const ring = await ringWith(1, 2, previous(3), current(4));
    const args = ['retire', '2', '1', '--force', '--confirm', confirm];
    expect(await pazpazKeys(ring, args)).toMatchObject({ exitCode: 1 });
    expect(ring.labels).toMatchObject({ 1: 'key-v1', 2: 'key-v2' });
  });

  test('goes without census and age, names the risk, and asks for the number again', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const { deps, questions } = operatorOf(ring);
    await runRetire(deps, noCensus, { numbers: numbers(1), force: true });
    expect(ring.labels).toMatchObject({ 1: '' });
    expect(questions).toMatchObject([
      { answer: '1', risk: expect.stringMatching(/^Forced: .*lost for good/) as string },
    ]);
  });

  test('does not go against what keeps the ring whole', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    const force = (which: number) => (deps: Parameters<typeof runRetire>[0]) =>
      runRetire(deps, noCensus, { numbers: numbers(which), force: true });
    await refusesUntouched(ring, force(3), 'KEY_STILL_NEEDED');
    await refusesUntouched(ring, force(2), 'KEY_STILL_NEEDED');
  });
});
