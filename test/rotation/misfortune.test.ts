import type { CallFault } from '../../src/local/faults.ts';
import type { SecretsManager } from '../../src/secret/dependencies.ts';
import { STEPS } from '../../src/steps/rotation-request.ts';
import { stopServices } from '../local/support/running-service.ts';
import { rejectionOf } from '../keyring/support/rejection-of.ts';
import { current, keyOf, ringWith, type TestRing } from '../support/ring.ts';
import { Rows } from '../support/rows.ts';

afterEach(stopServices);

describe('C10: after a rollback', () => {
  /** Two keys, the newer one left on purpose; AWSPENDING was still on it. */
  async function rolledBack(): Promise<TestRing> {
    const ring = await ringWith(current(1));
    ring.service.setBehaviour({ pendingAfterSuccess: 'left' });
    await ring.rotate();
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT AWSPENDING key-v2' });
    return ring;
  }

  test('that detached AWSPENDING, no late step brings the key back, and the next rotation makes a new one', async () => {
    const ring = await rolledBack();
    await ring.detach('AWSPENDING');
    await ring.label('AWSCURRENT', 1);
    for (const step of STEPS) {
      const late = ring.step(step, { ClientRequestToken: ring.idOf(2) });
      await expect(late).rejects.toMatchObject({ code: 'WAS_CURRENT' });
    }
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPREVIOUS key-v2' });

    await ring.rotate();
    expect(ring.labels).toMatchObject({
      1: 'AWSPREVIOUS key-v1',
      2: 'key-v2',
      3: expect.stringContaining('key-v3') as string,
    });
  });

  test('by hand, with AWSPENDING still on the newer key, no rotation promotes that key again', async () => {
    const ring = await rolledBack();
    await ring.label('AWSCURRENT', 1);
    expect(await ring.reattempt()).toMatchObject({ outcome: 'given up' });
    expect(ring.log).toContainEqual(expect.objectContaining({ event: 'rotation_step_failed', code: 'WAS_CURRENT' }));
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPENDING AWSPREVIOUS key-v2' });
  });
});

describe('C15: a version that cannot be read right after it was written', () => {
  test('is asked for again, and the rotation succeeds', async () => {
    const ring = await ringWith(current(1));
    ring.service.faults.set({ kind: 'fresh-version-not-seen', reads: 2 });
    expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
    expect(ring.slept).toEqual([100, 200]);
    expect(ring.log).toContainEqual({ event: 'version_not_visible_yet', versionId: ring.idOf(2), attempt: 1 });
    expect(ring.log).toContainEqual({ event: 'version_not_visible_yet', versionId: ring.idOf(2), attempt: 2 });
  });

  test('is given up after some six seconds, in our words, and nothing is promoted', async () => {
    const ring = await ringWith(current(1));
    ring.service.faults.set({ kind: 'fresh-version-not-seen', reads: 'for-ever' });
    expect(await ring.rotate()).toMatchObject({ outcome: 'given up' });
    expect(ring.log.at(-1)).toMatchObject({ step: 'testSecret', code: 'VERSION_HAS_NO_VALUE' });
    expect(ring.slept).toEqual([100, 200, 400, 800, 1600, 3200]);
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPENDING' });
  });

  test.each([
    [30_000, 6],
    [8_300, 6],
    [8_299, 5],
    [2_100, 1],
    [2_099, 0],
  ])('is given up in time for Lambda: with %i ms left after %i pauses', async (remainingTime, pauses) => {
    const ring = await ringWith(current(1));
    await ring.begin();
    ring.remainingTime = remainingTime;
    await expect(ring.step('testSecret')).rejects.toMatchObject({ code: 'VERSION_HAS_NO_VALUE' });
    expect(ring.slept).toHaveLength(pauses);
    expect(ring.remainingTime).toBeGreaterThanOrEqual(Math.min(remainingTime, 2_000));
  });
});

describe('C18: a numbering label that gets lost while AWSCURRENT moves', () => {
  /** A Secrets Manager that does something of its own right after each move of AWSCURRENT. */
  function afterPromotion(ring: TestRing, act: () => Promise<void>): void {
    const { secrets } = ring;
    ring.secrets = {
      ...secrets,
      updateSecretVersionStage: async (input) => {
        const answer = await secrets.updateSecretVersionStage(input);
        if (input.VersionStage === 'AWSCURRENT') await act();
        return answer;
      },
    };
  }

  test('is put back on the key that was left', async () => {
    const ring = await ringWith(1, current(2));
    afterPromotion(ring, () => ring.lose('key-v2'));
    expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
    expect(ring.log).toContainEqual({ event: 'number_put_back', keyNumber: 2, versionId: ring.idOf(2) });
  });

  test('is put back on every key, were all of them dropped', async () => {
    const ring = await ringWith(1, 2, current(3));
    const rows = new Rows(ring);
    await rows.write();
    afterPromotion(ring, async () => {
      for (const label of ['key-v1', 'key-v2', 'key-v3']) await ring.lose(label);
    });
    await ring.rotate();
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'key-v2', 3: 'AWSPREVIOUS key-v3', 4: 'AWSCURRENT key-v4' });
    expect(await rows.unreadable()).toEqual([]);
  });

  test('is an error where it is on another version now: two materials under one number would be the worst of all', async () => {
    const ring = await ringWith(1, 2, current(3));
    await ring.begin();
    await ring.steps('createSecret', 'setSecret', 'testSecret');
    afterPromotion(ring, () => ring.label('key-v1', 2));
    const error = await rejectionOf(ring.step('finishSecret'));
    expect(error.code).toBe('NUMBER_LOST');
    expect(error.message).toContain(`Key 1 must stay on version ${ring.idOf(1)}: it is on version ${ring.idOf(2)} now`);
    expect(error.message).toContain('move this one back');
  });

  test('is an error where its version is gone', async () => {
    const ring = await ringWith(1, 2, current(3));
    ring.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    await ring.begin();
    await ring.steps('createSecret', 'setSecret', 'testSecret');
    afterPromotion(ring, () => ring.lose('key-v1'));
    const error = await rejectionOf(ring.step('finishSecret'));
    expect(error.code).toBe('NUMBER_LOST');
    expect(error.message).toContain(`Key 1 must stay on version ${ring.idOf(1)}`);
    expect(error.message).toContain('ResourceNotFoundException');
  });

  test.each(['createSecret', 'setSecret'] as const)('is put back by %s as well', async (step) => {
    const ring = await ringWith(1, current());
    await ring.begin();
    await ring.steps(...STEPS.slice(0, STEPS.indexOf(step)));
    dropAfterFirstWrite(ring, () => ring.lose('key-v1'));
    await ring.step(step);
    expect(ring.labels[1]).toBe('AWSPREVIOUS key-v1');
  });

  test('by a put that names it: the key that lost its number gets a new one while it is AWSPREVIOUS', async () => {
    const ring = await ringWith(1, current(2));
    const rows = new Rows(ring);
    await rows.write();
    await ring.put(keyOf(9).toString('base64'), undefined, ['key-v2']);
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT', 3: 'key-v2' });
    await ring.rotate();
    expect(ring.labels).toMatchObject({ 2: 'AWSPREVIOUS key-v3', 3: 'key-v2', 4: 'AWSCURRENT key-v4' });
  });
});

function dropAfterFirstWrite(ring: TestRing, act: () => Promise<void>): void {
  const { secrets } = ring;
  let pending: (() => Promise<void>) | undefined = act;
  const once = async <T>(answer: Promise<T>): Promise<T> => {
    const result = await answer;
    const run = pending;
    pending = undefined;
    await run?.();
    return result;
  };
  ring.secrets = {
    ...secrets,
    putSecretValue: (input) => once(secrets.putSecretValue(input)),
    updateSecretVersionStage: (input) => once(secrets.updateSecretVersionStage(input)),
  };
}

describe('C19: an old key behind a KMS key that the function may not use', () => {
  test('stops the rotation in testSecret, which names it, and a retry with the same token succeeds later', async () => {
    const ring = await ringWith(1, current(2));
    const fault: CallFault = {
      kind: 'error',
      operation: 'GetSecretValue',
      versionId: ring.idOf(1),
      type: 'AccessDeniedException',
      message: 'Access to KMS is not allowed',
    };
    ring.service.faults.set(fault);
    const { token, outcome } = await ring.rotate();
    expect(outcome).toBe('given up');
    expect(ring.log.at(-1)).toMatchObject({
      step: 'testSecret',
      code: 'RING_KEY_UNREADABLE',
      reason: expect.stringMatching(
        new RegExp(
          `Key 1 of the ring \\(version ${ring.idOf(1)}\\).*AccessDeniedException: Access to KMS is not allowed`,
        ),
      ) as string,
    });
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2', 3: 'AWSPENDING' });

    ring.service.faults.clear();
    expect(await ring.reattempt()).toMatchObject({ token, outcome: 'succeeded' });
    expect(ring.labels).toEqual({ 1: 'key-v1', 2: 'AWSPREVIOUS key-v2', 3: 'AWSCURRENT key-v3' });
  });

  test('stops adoption too: what cannot be read may be a key in use', async () => {
    const ring = await ringWith(1, current());
    await ring.begin();
    ring.service.faults.set({ kind: 'error', operation: 'GetSecretValue', type: 'AccessDeniedException' });
    const error = await rejectionOf(ring.step('setSecret'));
    expect(error.code).toBe('VERSION_UNREADABLE');
    expect(error.message).toContain(`Version ${ring.idOf(2)} cannot be read: AccessDeniedException`);
    expect(error.message).toContain('KMS key');
    expect(ring.writes).toEqual([]);
  });
});

describe('a Secrets Manager that refuses', () => {
  const REFUSED: readonly [keyof SecretsManager, string, (typeof STEPS)[number], string][] = [
    ['describeSecret', 'DescribeSecret', 'setSecret', 'AWS_REFUSED'],
    ['putSecretValue', 'PutSecretValue', 'createSecret', 'AWS_REFUSED'],
    ['getSecretValue', 'GetSecretValue', 'createSecret', 'VERSION_UNREADABLE'],
    ['updateSecretVersionStage', 'UpdateSecretVersionStage', 'finishSecret', 'AWS_REFUSED'],
  ];

  test.each(REFUSED)('%s: the step says what was refused, why, and what to check', async (_, operation, step, code) => {
    const ring = await ringWith(current(1));
    await ring.begin();
    if (step === 'finishSecret') await ring.step('createSecret');
    const refusal = { type: 'AccessDeniedException', message: 'not authorized to perform it' };
    ring.service.faults.set({ kind: 'error', operation, ...refusal });
    const error = await rejectionOf(ring.step(step));
    expect(error.code).toBe(code);
    expect(error.message).toContain('AccessDeniedException: not authorized to perform it');
    expect(error.message).toMatch(/role|access|permissions/);
    if (code === 'AWS_REFUSED') expect(error.message).toContain(operation);
    expect(error.cause).toMatchObject({ name: 'AccessDeniedException' });
  });

  test('the second DescribeSecret: the step fails, since it cannot see that every number is still in its place', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    ring.service.faults.set({ kind: 'error', operation: 'DescribeSecret', nth: 2 });
    await expect(ring.step('createSecret')).rejects.toMatchObject({ code: 'AWS_REFUSED' });
  });
});
