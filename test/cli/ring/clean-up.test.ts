import { TagResourceCommand } from '@aws-sdk/client-secrets-manager';
import { runAdopt } from '../../../src/cli/commands/adopt.ts';
import { runCleanUp } from '../../../src/cli/ring/clean-up.ts';
import type { OperatorSecrets } from '../../../src/cli/aws/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, keyOf, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { operatorOf } from '../support/operator.ts';

afterEach(stopServices);

/** A rotation that has made its key and gone no further. */
async function halfRotated(): Promise<TestRing> {
  const ring = await ringWith(previous(1), current(2));
  await ring.begin();
  await ring.step('createSecret');
  return ring;
}

/** The rotation goes on to its end, and the service takes AWSPENDING off. */
async function finish(ring: TestRing): Promise<void> {
  await ring.steps('setSecret', 'testSecret', 'finishSecret');
  await ring.detach('AWSPENDING');
}

describe('rotate --clean-up ends the rotation that was asked about, or says that it has not', () => {
  test('where it finishes during the question: its key is in use, and no tag says otherwise', async () => {
    const ring = await halfRotated();
    const { deps, changes } = operatorOf(ring);
    await expect(runCleanUp({ ...deps, confirm: () => finish(ring) })).rejects.toMatchObject({
      code: 'STATE_CHANGED',
      message: expect.stringContaining('its rotation has finished') as string,
    });
    expect(changes).toEqual([]);
    expect(ring.secret.tags).toEqual([]);
    expect(ring.labels).toMatchObject({ 3: 'AWSCURRENT key-v3' });
  });

  test('where the first description does not show it yet', async () => {
    const ring = await ringWith(previous(1), current(2));
    const before = await ring.deps.secrets.describeSecret({ SecretId: SECRET });
    await ring.begin();
    await ring.step('createSecret');
    let looks = 0;
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      describeSecret: (input) => ((looks += 1) === 1 ? Promise.resolve(before) : secrets.describeSecret(input)),
    }));
    expect(await runCleanUp(deps)).toEqual({ versionId: ring.idOf(3) });
  });

  test('where it finishes right before AWSPENDING is taken off', async () => {
    const ring = await halfRotated();
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      updateSecretVersionStage: async (input) => {
        await finish(ring);
        return secrets.updateSecretVersionStage(input);
      },
    }));
    await expect(runCleanUp(deps)).rejects.toMatchObject({ code: 'STATE_CHANGED' });
    expect(ring.secret.tags).toEqual([]);
    expect(ring.labels).toMatchObject({ 3: 'AWSCURRENT key-v3' });
  });

  test('where another rotation begins during the question', async () => {
    const ring = await halfRotated();
    const { deps, changes } = operatorOf(ring);
    const confirm = async () => {
      await ring.put(keyOf(9).toString('base64'));
      await ring.begin();
    };
    await expect(runCleanUp({ ...deps, confirm })).rejects.toMatchObject({
      code: 'STATE_CHANGED',
      message: expect.stringContaining('Another rotation has begun') as string,
    });
    expect(changes).toEqual([]);
    expect(ring.labels).toMatchObject({ 5: 'AWSPENDING' });
  });

  test('where someone else ends it during the question, nothing is left to do', async () => {
    const ring = await halfRotated();
    const { deps, changes } = operatorOf(ring);
    expect(await runCleanUp({ ...deps, confirm: () => ring.detach('AWSPENDING') })).toEqual({});
    expect(changes).toEqual([]);
  });
});

test('rotate --clean-up takes AWSPENDING off the current key of a full ring, which stays current and gets no tag', async () => {
  const older = Array.from({ length: 15 }, (_, index) => index + 1);
  const ring = await ringWith(...older, previous(16), current(17));
  await ring.label('AWSPENDING', 17);
  const { deps } = operatorOf(ring);
  expect(await runCleanUp(deps)).toEqual({ versionId: ring.idOf(17) });
  expect(ring.labels).toMatchObject({ 17: 'AWSCURRENT key-v17' });
  expect(ring.secret.tags).toEqual([]);
  expect(await runCleanUp(deps)).toEqual({});
});

describe('the tag that a version never was in use', () => {
  test('comes after AWSPENDING is off, so that a rotation cannot promote what has it', async () => {
    const ring = await halfRotated();
    const { deps, changes } = operatorOf(ring);
    await runCleanUp(deps);
    expect(changes.map(({ change }) => change)).toEqual(['label-detached', 'tag-set']);
  });

  test('is written although DescribeSecret still shows AWSPENDING for a moment', async () => {
    const ring = await halfRotated();
    const { deps } = operatorOf(ring, withStaleReading);
    await runCleanUp(deps);
    expect(ring.secret.tags.map(({ Key }) => Key)).toEqual([`pazpaz:abandoned:${ring.idOf(3)}`]);
  });

  test('is not given to a version that has another label', async () => {
    const ring = await halfRotated();
    await ring.label('mine', 3);
    await runCleanUp(operatorOf(ring).deps);
    expect(ring.labels).toMatchObject({ 3: 'mine' });
    expect(ring.secret.tags).toEqual([]);
  });
});

describe('tags of versions that AWS has deleted', () => {
  const gone = ['abandoned', 'rescued'].map((kind) => `pazpaz:${kind}:${'gone'.padEnd(36, '-')}`);

  /** The ring, with a tag of either kind for a version that is gone and for one that is there, and one of someone's. */
  async function tagged(ring: TestRing): Promise<TestRing> {
    const there = ['abandoned', 'rescued'].map((kind) => `pazpaz:${kind}:${ring.idOf(1)}`);
    const Tags = [...gone, ...there, 'pazpaz:owner'].map((Key) => ({ Key, Value: '2020-01-01' }));
    await ring.client.send(new TagResourceCommand({ SecretId: SECRET, Tags }));
    return ring;
  }

  const keys = (ring: TestRing) => ring.secret.tags.map(({ Key }) => Key.replace(/^pazpaz:/, '')).sort();

  test('of both kinds go when rotate --clean-up writes one, and no other tag does', async () => {
    const ring = await tagged(await halfRotated());
    await runCleanUp(operatorOf(ring).deps);
    const [one, three] = [ring.idOf(1), ring.idOf(3)];
    expect(keys(ring)).toEqual([`abandoned:${one}`, `abandoned:${three}`, 'owner', `rescued:${one}`].sort());
  });

  test('of both kinds go when adopt --version-id writes one', async () => {
    const ring = await tagged(await ringWith(1, current(2)));
    await ring.put(keyOf(9).toString('base64'), undefined, ['mine']);
    await runAdopt(operatorOf(ring).deps, { versionId: ring.idOf(3) });
    const [one, three] = [ring.idOf(1), ring.idOf(3)];
    expect(keys(ring)).toEqual([`abandoned:${one}`, 'owner', `rescued:${one}`, `rescued:${three}`].sort());
  });
});

/** After each change of a label, the first description is the one from before. */
function withStaleReading(secrets: OperatorSecrets): OperatorSecrets {
  let stale: Awaited<ReturnType<OperatorSecrets['describeSecret']>> | undefined;
  return {
    ...secrets,
    describeSecret: async (input) => {
      const answer = stale ?? (await secrets.describeSecret(input));
      stale = undefined;
      return answer;
    },
    updateSecretVersionStage: async (input) => {
      stale = await secrets.describeSecret({ SecretId: input.SecretId });
      return secrets.updateSecretVersionStage(input);
    },
  };
}
