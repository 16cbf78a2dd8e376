import { runRollback } from '../../src/cli/commands/rollback.ts';
import type { Step } from '../../src/steps/rotation-request.ts';
import { stopServices } from '../local/running-service.ts';
import { current, holding, previous, ringWith } from '../rotation/ring.ts';
import { operatorOf } from './operator.ts';
import { refusesUntouched } from './refusal.ts';

afterEach(stopServices);

describe('rollback', () => {
  test('moves AWSCURRENT back to the key before; both keep their numbers', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const { deps, questions } = operatorOf(ring);
    expect(await runRollback(deps, {})).toEqual({ outcome: 'rolled back', current: 2, left: 3 });
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'AWSCURRENT key-v2', 3: 'AWSPREVIOUS key-v3' });
    expect(questions).toHaveLength(1);
  });

  test('numbers both keys before it moves anything', async () => {
    const ring = await ringWith(previous(), current());
    await runRollback(operatorOf(ring).deps, {});
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPREVIOUS key-v2' });
  });

  test('leaves a current version that holds no key, and gives it no number', async () => {
    const ring = await ringWith(previous(1), holding('not a key', current()));
    expect(await runRollback(operatorOf(ring).deps, {})).toMatchObject({ current: 1, left: 0 });
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPREVIOUS' });
  });

  test('changes nothing when it is repeated, and goes forward again only when it is told so', async () => {
    const ring = await ringWith(previous(1), current(2));
    await runRollback(operatorOf(ring).deps, {});
    const once = ring.snapshot;
    const again = operatorOf(ring);
    expect(await runRollback(again.deps, {})).toEqual({ outcome: 'is rolled back already', current: 1, left: 2 });
    expect(ring.snapshot).toBe(once);
    expect(again.questions).toEqual([]);

    await runRollback(operatorOf(ring).deps, { undo: true });
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2' });
  });

  test('C10: AWSPENDING that stayed on the new key is detached, and its rotation does not promote it again', async () => {
    const ring = await ringWith(current(1));
    ring.service.setBehaviour({ pendingAfterSuccess: 'left' });
    await ring.rotate();
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT AWSPENDING key-v2' });

    await runRollback(operatorOf(ring).deps, {});
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPREVIOUS key-v2' });
    for (const step of ['createSecret', 'setSecret', 'testSecret', 'finishSecret']) {
      await expect(ring.step(step, { ClientRequestToken: ring.idOf(2) })).rejects.toMatchObject({
        code: 'WAS_CURRENT',
      });
    }
    expect(ring.labels).toMatchObject({ 1: 'AWSCURRENT key-v1' });

    await ring.rotate();
    expect(ring.labels).toMatchObject({
      1: 'AWSPREVIOUS key-v1',
      2: 'key-v2',
      3: expect.stringContaining('AWSCURRENT') as string,
    });
    expect(ring.labels[3]).toContain('key-v3');
  });
});

describe('rollback refuses, and the secret is exactly as it was', () => {
  test('without a key to go back to', async () => {
    const ring = await ringWith(current(1));
    await refusesUntouched(ring, (deps) => runRollback(deps, {}), 'NOTHING_TO_ROLL_BACK_TO', 'pazpaz-keys put');
  });

  test.each<[string, readonly Step[]]>([
    ['a rotation is under way', ['createSecret']],
    ['a refused rotation has left a placeholder', []],
  ])('while %s', async (_, steps) => {
    const ring = await ringWith(previous(1), current(2));
    await ring.begin();
    await ring.steps(...steps);
    await refusesUntouched(ring, (deps) => runRollback(deps, {}), 'ROTATION_UNDER_WAY', '--clean-up');
  });

  test('to a version that holds no key', async () => {
    const ring = await ringWith(holding('not a key', previous()), current(1));
    await refusesUntouched(ring, (deps) => runRollback(deps, {}), 'INVALID_KEY_VALUE', 'white space');
  });

  test('to a version that cannot be read', async () => {
    const ring = await ringWith(previous(1), current(2));
    ring.service.faults.set({
      operation: 'GetSecretValue',
      versionId: ring.idOf(1),
      kind: 'error',
      type: 'AccessDeniedException',
      message: 'Access to KMS is not allowed',
    });
    await refusesUntouched(ring, (deps) => runRollback(deps, {}), 'VERSION_UNREADABLE', 'Access to KMS is not allowed');
  });

  test('without a label for each number that it has to give', async () => {
    const ring = await ringWith(previous(), current());
    for (let label = 1; label <= 16; label += 1) await ring.label(`foreign-${label}`, 1);
    await refusesUntouched(ring, (deps) => runRollback(deps, {}), 'RING_FULL', '2 free staging labels needed, 1 free');
  });

  test('where nobody agrees', async () => {
    const ring = await ringWith(previous(1), current(2));
    await refusesUntouched(
      ring,
      (deps) => runRollback({ ...deps, confirm: () => Promise.reject(new Error('no')) }, {}),
      undefined,
      'no',
    );
  });
});
