import { CancelRotateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { runCleanUp } from '../../../src/cli/ring/clean-up.ts';
import { followRotation, type FollowOptions } from '../../../src/cli/ring/follow.ts';
import { runRotate } from '../../../src/cli/commands/rotate.ts';
import { step } from '../../../src/cli/suggested-commands.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { giveCredentials, operatorOf, pazpazKeys } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

function follow(ring: TestRing, versionId: string, more: Partial<FollowOptions> = {}): Promise<number> {
  const deps = { ...operatorOf(ring).deps, sleep: () => Promise.resolve() };
  return followRotation(deps, {
    versionId,
    timeLimit: 3000,
    onStage: () => undefined,
    onStep: () => undefined,
    ...more,
  });
}

describe('rotate', () => {
  test('names the command that shows how far it has come', async () => {
    const ring = await ringWith(current(1));
    await ring.enableRotation();
    const { exitCode, stdout } = await pazpazKeys(ring, ['rotate']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^A rotation has started .*\n {2}pazpaz-keys status\n/);
  });

  test('refuses to take up a cancelled rotation, which AWS would never run again, and names the clean-up', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.begin();
    await ring.client.send(new CancelRotateSecretCommand({ SecretId: SECRET }));
    await refusesUntouched(ring, runRotate, 'ROTATION_UNDER_WAY', 'rotate --clean-up');
    const { stdout } = await pazpazKeys(ring, ['status']);
    expect(stdout).toContain('rotate --clean-up');
    expect(stdout).not.toContain('rotate --wait');
  });

  test('starts a rotation, and follows it until its key is current', async () => {
    const ring = await ringWith(current(1));
    await ring.enableRotation();
    const { versionId, outcome } = await runRotate(operatorOf(ring).deps);
    expect(outcome).toBe('started');
    await ring.service.idle();
    expect(await follow(ring, versionId)).toBe(2);
  });

  test('says how far it has come, step by step where the log shows it', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    const seen: string[] = [];
    const steps = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;
    const readLog = async () => {
      const step = steps[seen.filter((line) => line.endsWith('finished')).length];
      if (step === undefined) return [];
      await ring.step(step);
      return [{ step, outcome: 'finished' as const }];
    };
    await follow(ring, ring.idOf(2), {
      readLog,
      onStage: (stage) => seen.push(stage),
      onStep: ({ step, outcome }) => seen.push(`${step} ${outcome}`),
    });
    expect(seen).toEqual([
      'createSecret finished',
      'waits for its key',
      'setSecret finished',
      'testSecret finished',
      'finishSecret finished',
      'is current',
    ]);
  });

  test('says why it is not finished, where the log shows it, and what to do', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    const readLog = () =>
      Promise.resolve([{ step: 'testSecret', outcome: 'failed' as const, reason: 'RING_KEY_UNREADABLE: key 1' }]);
    const error = follow(ring, ring.idOf(2), { readLog });
    await expect(error).rejects.toMatchObject({ code: 'ROTATION_NOT_FINISHED' });
    await expect(error).rejects.toThrow(/testSecret failed: RING_KEY_UNREADABLE: key 1.*rotate --clean-up/s);
  });

  test('says that it was abandoned', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    await ring.detach('AWSPENDING');
    await expect(follow(ring, ring.idOf(2))).rejects.toThrow('was abandoned');
  });

  /** The ring as it was described before the rotation began, for so many looks. */
  async function lateRing(looks: number) {
    const ring = await ringWith(current(1));
    await ring.enableRotation();
    const before = await operatorOf(ring).deps.secrets.describeSecret({ SecretId: SECRET });
    let left = looks;
    const late = operatorOf(ring, (secrets) => ({
      ...secrets,
      describeSecret: (input) => (left-- > 0 ? Promise.resolve(before) : secrets.describeSecret(input)),
    }));
    const { versionId } = await runRotate(operatorOf(ring).deps);
    await ring.service.idle();
    return { versionId, deps: { ...late.deps, sleep: () => Promise.resolve() } };
  }

  const quiet = { timeLimit: 300_000, onStage: () => undefined, onStep: () => undefined };

  test('does not take a description from before it for one that was abandoned', async () => {
    const { deps, versionId } = await lateRing(3);
    expect(await followRotation(deps, { ...quiet, versionId })).toBe(2);
  });

  test('gives up a version that never shows after some seconds, not after the whole time limit', async () => {
    const { deps, versionId } = await lateRing(Infinity);
    let pauses = 0;
    const sleep = () => Promise.resolve(void (pauses += 1));
    await expect(followRotation({ ...deps, sleep }, { ...quiet, versionId })).rejects.toThrow('was abandoned');
    expect(pauses).toBe(6);
  });

  test('says that it was rolled back, and suggests no further rotation', async () => {
    const ring = await ringWith(current(1));
    await ring.rotate();
    await ring.label('AWSCURRENT', 1);
    const error = follow(ring, ring.idOf(2));
    await expect(error).rejects.toMatchObject({
      code: 'ROTATION_NOT_FINISHED',
      message: expect.stringContaining('key 2 is AWSPREVIOUS') as string,
      next: [step('rollback', '--undo')],
    });
  });

  test('counts the time that slow looks take', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    let looks = 0;
    const readLog = async () => {
      looks += 1;
      await ring.service.advance(2000);
      return [];
    };
    await expect(follow(ring, ring.idOf(2), { readLog })).rejects.toThrow('not finished after 3 s');
    expect(looks).toBe(2);
  });

  test('asks before it switches a cancelled schedule on again, and changes nothing without a yes', async () => {
    const ring = await ringWith(current(1));
    await ring.enableRotation();
    await ring.client.send(new CancelRotateSecretCommand({ SecretId: SECRET }));
    const before = ring.snapshot;
    const planned = await pazpazKeys(ring, ['rotate', '--dry-run']);
    expect(planned).toMatchObject({ exitCode: 0 });
    expect(planned.stderr).toContain('would switch it on again');
    expect(await pazpazKeys(ring, ['rotate'])).toMatchObject({ exitCode: 1 });
    const no = await pazpazKeys(ring, ['rotate'], { answers: ['n'] });
    expect(no).toMatchObject({ exitCode: 1 });
    expect(no.stderr).toContain('Switch the cancelled rotation on again');
    expect(ring.snapshot).toBe(before);
    expect(await pazpazKeys(ring, ['rotate', '--yes'])).toMatchObject({ exitCode: 0 });
    expect(ring.secret.rotation).toMatchObject({ enabled: true });
  });

  test('asks no one where rotation is on', async () => {
    const ring = await ringWith(current(1));
    await ring.enableRotation();
    const { deps, questions } = operatorOf(ring);
    await runRotate(deps);
    expect(questions).toEqual([]);
  });

  test('is refused without a function in a dry run, too', async () => {
    expect(await pazpazKeys(await ringWith(current(1)), ['rotate', '--dry-run'])).toMatchObject({ exitCode: 1 });
  });

  test('takes up a rotation that is unfinished, as AWS does', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    expect(await runRotate(operatorOf(ring).deps)).toMatchObject({ outcome: 'taken up', versionId: ring.idOf(2) });
    await ring.service.idle();
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2' });
  });

  test('names the version of such a rotation that has ended before the first look', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      rotateSecret: async (input) => {
        const answer = secrets.rotateSecret(input);
        await answer.catch(() => undefined);
        await ring.service.idle();
        return answer;
      },
    }));
    expect(await runRotate(deps)).toMatchObject({ outcome: 'taken up', versionId: ring.idOf(2) });
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2' });
  });

  test.each([[['rotate']], [['rotate', '--wait']]])('%j does not say that nothing was changed, then', async (args) => {
    const ring = await ringWith(current(1));
    await ring.begin();
    const { exitCode, stdout } = await pazpazKeys(ring, args);
    expect([exitCode, stdout]).toEqual([0, expect.not.stringContaining('Nothing was changed')]);
    await ring.service.idle();
  });

  test('refuses to begin what could not finish, and the secret is as it was', async () => {
    const ring = await ringWith(previous(1), current());
    await ring.enableRotation();
    for (let label = 1; label <= 15; label += 1) await ring.label(`foreign-${label}`, 1);
    await refusesUntouched(ring, (deps) => runRotate(deps), 'RING_FULL', '1 free staging label needed, 0 free');
  });

  test('refuses without a function, and says what sets one', async () => {
    const ring = await ringWith(current(1));
    await refusesUntouched(ring, (deps) => runRotate(deps), 'ROTATION_DISABLED', '--rotation-lambda-arn');
  });
});

describe('rotate --clean-up', () => {
  test('ends a rotation that failed, after which put and the next rotation go ahead', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.begin();
    await ring.step('createSecret');
    ring.lambda = 'fails';
    expect(await runCleanUp(operatorOf(ring).deps)).toEqual({ versionId: ring.idOf(3) });
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2', 3: '' });
    ring.lambda = 'works';
    await ring.rotate();
    expect(ring.labels).toMatchObject({ 4: 'AWSCURRENT key-v3' });
  });

  test('remembers that the version never was in use, so that no one takes it for a lost key', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.begin();
    await ring.step('createSecret');
    await runCleanUp(operatorOf(ring).deps);
    expect(ring.secret.tags.map(({ Key }) => Key)).toEqual([`pazpaz:abandoned:${ring.idOf(3)}`]);
    const once = ring.snapshot;
    expect(await runCleanUp(operatorOf(ring).deps)).toEqual({});
    expect(ring.snapshot).toBe(once);
  });

  test('leaves AWSPENDING where it is harmless: beside AWSCURRENT', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.label('AWSPENDING', 2);
    const once = ring.snapshot;
    await runCleanUp(operatorOf(ring).deps);
    expect(ring.snapshot).toBe(once);
  });
});
