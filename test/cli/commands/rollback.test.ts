import { runRollback } from '../../../src/cli/commands/rollback.ts';
import type { OperatorSecrets } from '../../../src/cli/aws/operator.ts';
import type { Step } from '../../../src/steps/rotation-request.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, holding, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { describeSecret, firstSeeing } from '../support/old-descriptions.ts';
import { giveCredentials, operatorOf, pazpazKeys } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

describe('rollback', () => {
  test('moves AWSCURRENT back to the key before; both keep their numbers', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const { deps, questions, changes } = operatorOf(ring);
    expect(await runRollback(deps, {})).toEqual({ outcome: 'rolled back', currentNumber: 2, leftNumber: 3 });
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'AWSCURRENT key-v2', 3: 'AWSPREVIOUS key-v3' });
    expect(questions).toMatchObject([{ action: 'Move AWSCURRENT back from key 3 to key 2' }]);
    expect(questions[0]?.risk).toContain('A rotation in its very last calls');
    expect(changes.map(({ change }) => change)).toEqual(['label-moved']);
    expect(ring.service.calls.counts['UpdateSecretVersionStage']).toBe(1);
    expect(ring.slept).toEqual([]);
  });

  test('puts a number back that another key loses meanwhile', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      updateSecretVersionStage: async (input) => {
        const output = await secrets.updateSecretVersionStage(input);
        if (input.VersionStage === 'AWSCURRENT') await ring.lose('key-v1');
        return output;
      },
    }));
    await runRollback(deps, {});
    expect(ring.labels).toMatchObject({ 1: 'key-v1', 2: 'AWSCURRENT key-v2' });
  });

  test('is decided by a second look, where the first shows nothing left to do', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await runRollback(operatorOf(ring).deps, {});
    const rolledBack = await describeSecret(ring);
    await runRollback(operatorOf(ring).deps, { undo: true });
    const undone = await describeSecret(ring);
    expect(await runRollback(firstSeeing(ring, rolledBack), {})).toMatchObject({ outcome: 'rolled back' });
    expect(ring.labels).toMatchObject({ 2: 'AWSCURRENT key-v2', 3: 'AWSPREVIOUS key-v3' });
    expect(ring.slept).toEqual([6000]);
    await runRollback(firstSeeing(ring, undone), { undo: true });
    expect(ring.labels).toMatchObject({ 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
  });

  test('is not done until a description shows both keys where it has brought them', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const before = await describeSecret(ring);
    const { deps } = operatorOf(ring, (secrets) => ({ ...secrets, describeSecret: () => Promise.resolve(before) }));
    await expect(runRollback(deps, {})).rejects.toMatchObject({
      code: 'NOT_SEEN_YET',
      message: expect.stringContaining('AWSCURRENT was moved back to key 2.') as string,
    });
  });

  test.each<[string, (ring: TestRing) => Readonly<Record<string, string[]>>]>([
    ['AWSPREVIOUS elsewhere', (ring) => ({ [ring.idOf(1)]: ['key-v1', 'AWSPREVIOUS'], [ring.idOf(3)]: ['key-v3'] })],
    ['AWSCURRENT elsewhere', (ring) => ({ [ring.idOf(1)]: ['key-v1', 'AWSCURRENT'], [ring.idOf(2)]: ['key-v2'] })],
    ['the current key without its number', (ring) => ({ [ring.idOf(2)]: ['AWSCURRENT'] })],
    ['the other key without its number', (ring) => ({ [ring.idOf(3)]: ['AWSPREVIOUS'] })],
  ])('is not done while descriptions show %s', async (_, shown) => {
    const ring = await ringWith(1, previous(2), current(3));
    let looksSince = 0;
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      updateSecretVersionStage: (input) => {
        looksSince = 1;
        return secrets.updateSecretVersionStage(input);
      },
      // The first look after the move puts lost numbers back; the others see whether the rollback is done.
      describeSecret: async (input) => {
        const described = await secrets.describeSecret(input);
        if (looksSince === 0 || (looksSince += 1) === 2) return described;
        return { ...described, VersionIdsToStages: { ...described.VersionIdsToStages, ...shown(ring) } };
      },
    }));
    await expect(runRollback(deps, {})).rejects.toMatchObject({ code: 'NOT_SEEN_YET' });
  });

  test('is made after all, where a description shows one that was undone since', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await runRollback(operatorOf(ring).deps, {});
    const rolledBack = await describeSecret(ring);
    await runRollback(operatorOf(ring).deps, { undo: true });
    await runRollback(firstSeeing(ring, rolledBack, 2), {});
    expect(ring.labels).toMatchObject({ 2: 'AWSCURRENT key-v2', 3: 'AWSPREVIOUS key-v3' });
  });

  test('numbers both keys before it moves anything', async () => {
    const ring = await ringWith(previous(), current());
    await runRollback(operatorOf(ring).deps, {});
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPREVIOUS key-v2' });
  });

  test('leaves a current version that holds no key, and gives it no number', async () => {
    const ring = await ringWith(previous(1), holding('not a key', current()));
    expect(await runRollback(operatorOf(ring).deps, {})).toMatchObject({ currentNumber: 1, leftNumber: 0 });
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPREVIOUS' });
  });

  test('changes nothing when it is repeated, and goes forward again only when it is told so', async () => {
    const ring = await ringWith(previous(1), current(2));
    await runRollback(operatorOf(ring).deps, {});
    const once = ring.snapshot;
    const again = operatorOf(ring);
    expect(await runRollback(again.deps, {})).toEqual({
      outcome: 'is rolled back already',
      currentNumber: 1,
      leftNumber: 2,
    });
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

describe('rollback does what was agreed to, or nothing', () => {
  test.each<[string, (ring: TestRing) => Promise<void>]>([
    [
      'another key was current and the one before is again',
      async (ring) => {
        await ring.label('AWSCURRENT', 1);
        await ring.label('AWSCURRENT', 2);
      },
    ],
    ['only AWSPREVIOUS has moved', (ring) => ring.label('AWSPREVIOUS', 1)],
    [
      'only AWSCURRENT has moved',
      async (ring) => {
        await ring.label('AWSCURRENT', 1);
        await ring.label('AWSPREVIOUS', 2);
      },
    ],
  ])('where %s during the question', async (_, happens) => {
    const ring = await ringWith(1, previous(2), current(3));
    const { deps, changes } = operatorOf(ring);
    const confirm = () => happens(ring);
    await expect(runRollback({ ...deps, confirm }, {})).rejects.toMatchObject({ code: 'STATE_CHANGED' });
    expect(changes).toEqual([]);
  });

  test('where a rotation finishes during the question', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const { deps, changes } = operatorOf(ring);
    const confirm = async () => {
      await ring.rotate();
    };
    await expect(runRollback({ ...deps, confirm }, {})).rejects.toMatchObject({
      code: 'STATE_CHANGED',
      message: expect.stringContaining('AWSCURRENT has moved since you were asked') as string,
    });
    expect(changes).toEqual([]);
    expect(ring.labels).toMatchObject({ 3: 'AWSPREVIOUS key-v3', 4: 'AWSCURRENT key-v4' });
  });

  test.each<[string, (secrets: OperatorSecrets, rotate: () => Promise<void>) => OperatorSecrets]>([
    [
      'after its last look',
      (secrets, rotate) => {
        let reads = 0;
        return {
          ...secrets,
          getSecretValue: async (input) => {
            reads += 1;
            // The key before is read once before the question, and once after it.
            if (reads === 2) await rotate();
            return secrets.getSecretValue(input);
          },
        };
      },
    ],
    [
      'right before AWSCURRENT is moved',
      (secrets, rotate) => {
        let moves = 0;
        return {
          ...secrets,
          updateSecretVersionStage: async (input) => {
            moves += 1;
            if (moves === 1) await rotate();
            return secrets.updateSecretVersionStage(input);
          },
        };
      },
    ],
  ])('where a rotation finishes %s', async (_, interrupted) => {
    const ring = await ringWith(1, previous(2), current(3));
    const rotate = async (): Promise<void> => {
      await ring.rotate();
    };
    const { deps, changes } = operatorOf(ring, (secrets) => interrupted(secrets, rotate));
    await expect(runRollback(deps, {})).rejects.toMatchObject({ code: 'STATE_CHANGED' });
    expect(changes).toEqual([]);
    expect(ring.labels).toMatchObject({ 3: 'AWSPREVIOUS key-v3', 4: 'AWSCURRENT key-v4' });
  });

  test('where a rotation begins during the question', async () => {
    const ring = await ringWith(previous(1), current(2));
    const { deps, changes } = operatorOf(ring);
    await expect(runRollback({ ...deps, confirm: () => ring.begin() }, {})).rejects.toMatchObject({
      code: 'ROTATION_UNDER_WAY',
    });
    expect(changes).toEqual([]);
    expect(ring.labels).toMatchObject({ 2: 'AWSCURRENT key-v2' });
  });

  test('where someone else does the same during the question, which is then done', async () => {
    const ring = await ringWith(previous(1), current(2));
    const { deps, changes } = operatorOf(ring);
    const confirm = () => ring.label('AWSCURRENT', 1);
    expect(await runRollback({ ...deps, confirm }, {})).toEqual({
      outcome: 'rolled back',
      currentNumber: 1,
      leftNumber: 2,
    });
    expect(changes).toEqual([]);
  });
});

describe('rollback --undo', () => {
  test('does nothing unless a rollback is to be taken back', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    const undo = (deps: Parameters<typeof runRollback>[0]) => runRollback(deps, { undo: true });
    await refusesUntouched(ring, undo, 'NOTHING_TO_UNDO', 'key 3 is current, and key 2, which was left, is not newer');
    await runRollback(operatorOf(ring).deps, {});
    await undo(operatorOf(ring).deps);
    expect(ring.labels).toMatchObject({ 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
    await refusesUntouched(ring, undo, 'NOTHING_TO_UNDO');
  });

  test('refuses where the current version has no number', async () => {
    const ring = await ringWith(previous(1), holding('not a key', current()));
    await refusesUntouched(
      ring,
      (deps) => runRollback(deps, { undo: true }),
      'NOTHING_TO_UNDO',
      'a version without a number is current, and key 1, which was left, is not newer',
      'pazpaz-keys rollback',
    );
  });

  test('refuses on a ring without a key that was left', async () => {
    const ring = await ringWith(current(1));
    await refusesUntouched(
      ring,
      (deps) => runRollback(deps, { undo: true }),
      'NOTHING_TO_UNDO',
      'no version has AWSPREVIOUS',
    );
  });

  test('says which key is current now, where the answer to its move got lost', async () => {
    const ring = await ringWith(1, current(2), previous(3));
    ring.service.faults.set({ operation: 'UpdateSecretVersionStage', when: 'after', kind: 'drop', nth: 1 });
    const { exitCode, stdout } = await pazpazKeys(ring, ['rollback', '--undo', '--yes']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('Now key 3 is current again. Key 2 still decrypts.');
    expect(ring.labels).toMatchObject({ 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
  });
});

describe('rollback refuses, and the secret is exactly as it was', () => {
  test('without a key to go back to', async () => {
    const ring = await ringWith(current(1));
    await refusesUntouched(
      ring,
      (deps) => runRollback(deps, {}),
      'NOTHING_TO_ROLL_BACK_TO',
      'pazpaz-keys put',
      'No version',
    );
  });

  test.each<[string, readonly Step[]]>([
    ['a rotation is under way', ['createSecret']],
    ['a refused rotation has left a placeholder', []],
  ])('while %s', async (_, steps) => {
    const ring = await ringWith(previous(1), current(2));
    await ring.begin();
    await ring.steps(...steps);
    const says = [
      `AWSPENDING is on version ${ring.idOf(3)}`,
      'then roll back',
      '\npazpaz-keys rotate --wait\npazpaz-keys rotate --clean-up',
    ];
    await refusesUntouched(ring, (deps) => runRollback(deps, {}), 'ROTATION_UNDER_WAY', ...says);
  });

  test('to a version that holds no key', async () => {
    const ring = await ringWith(holding('not a key', previous()), current(1));
    const says = ['The previous version', 'holds no key', '\npazpaz-keys put'];
    await refusesUntouched(ring, (deps) => runRollback(deps, {}), 'INVALID_KEY_VALUE', ...says);
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

  test('where no one agrees', async () => {
    const ring = await ringWith(previous(1), current(2));
    await refusesUntouched(
      ring,
      (deps) => runRollback({ ...deps, confirm: () => Promise.reject(new Error('no')) }, {}),
      undefined,
      'no',
    );
  });
});
