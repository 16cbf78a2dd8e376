import { runPutNotCurrent } from '../../src/cli/commands/put.ts';
import { runRestore } from '../../src/cli/commands/restore.ts';
import { runRetire } from '../../src/cli/commands/retire.ts';
import { retiredKeys } from '../../src/keyring/retired-tag.ts';
import { noCensus } from '../../src/cli/definitions.ts';
import { toKeyNumber } from '../../src/keyring/key-number.ts';
import { stopServices } from '../local/running-service.ts';
import { DAY, HOUR } from '../local/state-machine.ts';
import { current, previous, ringWith, type RingVersion, type TestRing } from '../rotation/ring.ts';
import { counting, numbers, operatorOf, valueOf } from './operator.ts';
import { refusesUntouched } from './refusal.ts';

afterEach(stopServices);

/** A ring that has not changed for more than a day. */
async function settledRing(...versions: readonly (RingVersion | number)[]): Promise<TestRing> {
  const ring = await ringWith(...versions);
  await ring.service.advance(25 * HOUR);
  return ring;
}

const retire = (ring: TestRing, ...which: readonly number[]) =>
  runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(...which) });

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
    expect(await retire(ring, 1)).toEqual({ retired: [], alreadyRetired: [1] });
    expect(ring.snapshot).toBe(once);
  });

  test('finishes what broke off between tag and label, without waiting another day', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    const dead = operatorOf(ring, (secrets) => ({
      ...secrets,
      updateSecretVersionStage: () => Promise.reject(new Error('killed')),
    }));
    await expect(runRetire(dead.deps, counting(), { numbers: numbers(1) })).rejects.toThrow();
    expect(ring.labels).toMatchObject({ 1: 'key-v1' });
    const census = counting({ rows: { 1: 1 } });
    await expect(runRetire(operatorOf(ring).deps, census, { numbers: numbers(1) })).rejects.toMatchObject({
      code: 'ROWS_STILL_NEED_KEY',
    });
    await retire(ring, 1);
    expect(ring.labels).toMatchObject({ 1: '' });
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
    await refuses(ring, 2, 'KEY_STILL_NEEDED', 'AWSPREVIOUS', 'next rotation');
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
    );
  });

  test('while a rotation is under way', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await ring.begin();
    await ring.step('createSecret');
    await ring.service.advance(25 * HOUR);
    ring.lambda = 'fails';
    await refuses(ring, 1, 'ROTATION_UNDER_WAY');
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
    ['of that number', { rows: { 1: 3 } }, '3 rows of key 1'],
    ['with number 0', { rowsWithNumberZero: 10 }, '10 rows with number 0'],
    ['without a number', { legacyRows: 10 }, '10 rows without a number'],
    ['that nothing opens', { unattributableRows: 1 }, '1 row that no key opens'],
    ['that the census does not see', { isComplete: false }, 'rows that the census cannot see'],
  ])('C08: while the census finds a row %s', async (_, found, says) => {
    const ring = await settledRing(1, previous(2), current(3));
    const census = counting(found);
    await refusesUntouched(
      ring,
      (deps) => runRetire(deps, census, { numbers: numbers(1) }),
      'ROWS_STILL_NEED_KEY',
      says,
      'reencrypt',
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
  test('goes without census and age, names the risk, and asks for the number again', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const { deps, questions } = operatorOf(ring);
    await runRetire(deps, noCensus, { numbers: numbers(1), force: true });
    expect(ring.labels).toMatchObject({ 1: '' });
    expect(questions).toMatchObject([{ answer: '1', risk: expect.stringContaining('lost for good') as string }]);
  });

  test('does not go against what keeps the ring whole', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    const force = (which: number) => (deps: Parameters<typeof runRetire>[0]) =>
      runRetire(deps, noCensus, { numbers: numbers(which), force: true });
    await refusesUntouched(ring, force(3), 'KEY_STILL_NEEDED');
    await refusesUntouched(ring, force(2), 'KEY_STILL_NEEDED');
  });
});

describe('restore', () => {
  test('brings a retired key back exactly, and forgets that it was retired', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    const before = ring.labels;
    await retire(ring, 1);
    expect(await runRestore(operatorOf(ring).deps, toKeyNumber(1))).toEqual({
      versionId: ring.idOf(1),
      numbers: [1],
      wasThere: false,
    });
    expect(ring.labels).toEqual(before);
    expect(ring.secret.tags).toEqual([]);
    const once = ring.snapshot;
    expect(await runRestore(operatorOf(ring).deps, toKeyNumber(1))).toMatchObject({ wasThere: true });
    expect(ring.snapshot).toBe(once);
  });

  test('a key that is restored has to wait a day again before it can be retired', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await retire(ring, 1);
    await runRestore(operatorOf(ring).deps, toKeyNumber(1));
    await expect(retire(ring, 1)).rejects.toMatchObject({ code: 'TOO_EARLY_TO_RETIRE' });
  });

  test('refuses, and leaves the secret as it was: never retired, gone, taken by hand, no free label', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    await retire(ring, 1);
    const restore = (number: number) => (deps: Parameters<typeof runRestore>[0]) =>
      runRestore(deps, toKeyNumber(number));
    await refusesUntouched(ring, restore(7), 'NOT_RESTORABLE', 'recorded: 1');
    for (let label = 1; label <= 14; label += 1) await ring.label(`foreign-${label}`, 2);
    await refusesUntouched(ring, restore(1), 'RING_FULL');
    for (let label = 1; label <= 14; label += 1) await ring.detach(`foreign-${label}`);
    await ring.label('key-v1', 2);
    await refusesUntouched(ring, restore(1), 'NOT_RESTORABLE', 'A number never names two versions');
  });

  test('refuses a key whose version AWS has deleted', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    ring.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    await retire(ring, 1);
    await refusesUntouched(ring, (deps) => runRestore(deps, toKeyNumber(1)), 'NOT_RESTORABLE', 'AWS has deleted');
  });
});
