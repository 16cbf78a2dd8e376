import { runRestore } from '../../../src/cli/commands/restore.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { noCensus } from '../../../src/cli/rows/row-count.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { counting, numbers, operatorOf } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';
import { interrupted, killedBetween, retire, settledRing } from '../support/retiring.ts';

afterEach(stopServices);

describe('what happened while someone was asked is checked again, before anything is written', () => {
  test.each<[string, (ring: TestRing) => Promise<void>, string, string?]>([
    ['the key is in use again', (ring) => ring.label('AWSPENDING', 1), 'KEY_STILL_NEEDED'],
    [
      'a rotation has begun',
      async (ring) => {
        await ring.begin();
        await ring.step('createSecret');
      },
      'ROTATION_UNDER_WAY',
    ],
    [
      'the key has got a second number',
      (ring) => ring.label('key-v2', 1),
      'STATE_CHANGED',
      'Retiring 1, 3 would now mean key 1 (version ',
    ],
  ])('%s', async (_, happens, code, says = '') => {
    const ring = await settledRing(1, 3, previous(4), current(5));
    const { deps, changes } = interrupted(ring, () => happens(ring));
    await expect(runRetire(deps, counting(), { numbers: numbers(1, 3) })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(says) as string,
    });
    expect(changes).toEqual([]);
    expect(ring.labels[1]).toContain('key-v1');
  });

  test('nothing is left to do where someone else has retired the key', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    const { deps, changes } = interrupted(ring, async () => {
      await retire(ring, 1);
    });
    expect(await runRetire(deps, counting(), { numbers: numbers(1) })).toEqual({ retired: [], alreadyRetired: [1] });
    expect(changes).toEqual([]);
  });
});

describe('the age is checked again, although a retirement was begun,', () => {
  const refusesNow = (ring: TestRing, ...which: readonly number[]) =>
    refusesUntouched(
      ring,
      (deps) => runRetire(deps, counting(), { numbers: numbers(...which) }),
      'TOO_EARLY_TO_RETIRE',
    );

  test('where it was forced: no one has waited for the writers', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const forced = { numbers: numbers(1), force: true };
    await expect(runRetire(killedBetween(ring), noCensus, forced)).rejects.toThrow();
    expect(ring.secret.tags).toEqual([
      { Key: 'pazpaz:retired:key-v1', Value: expect.stringMatching(/^\S+ \S+Z forced$/) as string },
    ]);
    await refusesNow(ring, 1);
    await ring.service.advance(25 * HOUR);
    await retire(ring, 1);
    expect(ring.labels).toMatchObject({ 1: '' });
    expect(ring.secret.tags[0]?.Value).not.toContain('forced');
  });

  test('where a restore was interrupted before it removed the record', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await retire(ring, 1);
    await ring.service.advance(HOUR);
    const dead = operatorOf(ring, (secrets) => ({
      ...secrets,
      untagResource: () => Promise.reject(new Error('killed')),
    }));
    await expect(runRestore(dead.deps, toKeyNumber(1))).rejects.toThrow();
    await refusesNow(ring, 1);
  });

  test('where the key was made current by hand since, and left again', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await expect(runRetire(killedBetween(ring), counting(), { numbers: numbers(1) })).rejects.toThrow();
    await ring.service.advance(HOUR);
    await ring.label('AWSCURRENT', 1);
    for (let rotation = 1; rotation <= 2; rotation += 1) await ring.rotate();
    await refusesNow(ring, 1);
  });

  test('where the record is dated otherwise than the service would have it', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    for (const date of ['2999-01-01T00:00:00.000Z', '', 'yesterday']) {
      const Tags = [{ Key: 'pazpaz:retired:key-v1', Value: `${ring.idOf(1)} ${date}` }];
      await operatorOf(ring).deps.secrets.tagResource({ SecretId: ring.secret.arn, Tags });
      await refusesNow(ring, 1);
    }
  });

  test('where its number has gone to another version since', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.put(keyOf(4).toString('base64'), undefined, ['mine']);
    await ring.service.advance(25 * HOUR);
    await expect(runRetire(killedBetween(ring), counting(), { numbers: numbers(1) })).rejects.toThrow();
    await ring.label('key-v1', 4);
    await refusesNow(ring, 1);
  });

  test('for a further key that was not begun with', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    await expect(runRetire(killedBetween(ring), counting(), { numbers: numbers(1) })).rejects.toThrow();
    await refusesNow(ring, 1, 2);
    await retire(ring, 1);
    expect(ring.labels).toMatchObject({ 1: '', 2: 'key-v2' });
  });
});
