import { runRestore } from '../../../src/cli/commands/restore.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { Rows } from '../../support/rows.ts';
import { giveCredentials, operatorOf, pazpazKeys } from '../support/operator.ts';
import { describeSecret, firstSeeing } from '../support/old-descriptions.ts';
import { refusesUntouched } from '../support/refusal.ts';
import { retire, settledRing } from '../support/retiring.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

/** All of the secret, values included, but the dates of its last change and read. */
function secretOf(ring: TestRing): object {
  return { ...(JSON.parse(ring.snapshot) as object), lastChangedDate: undefined };
}

describe('restore', () => {
  test('brings a retired key back exactly, and forgets that it was retired', async () => {
    const ring = await ringWith(current(1));
    const rows = new Rows(ring);
    await rows.write();
    for (let rotation = 1; rotation <= 2; rotation += 1) await ring.rotate();
    await ring.service.advance(25 * HOUR);
    const before = secretOf(ring);
    await retire(ring, 1);
    expect(await rows.unreadable()).toEqual([1]);
    expect(await runRestore(operatorOf(ring).deps, toKeyNumber(1))).toEqual({
      versionId: ring.idOf(1),
      numbers: [1],
      wasThere: false,
    });
    // The service shows an empty list of tags after the last one is removed.
    expect(secretOf(ring)).toEqual({ ...before, hadTags: true });
    expect(await rows.unreadable()).toEqual([]);
    const once = ring.snapshot;
    expect(await runRestore(operatorOf(ring).deps, toKeyNumber(1))).toMatchObject({ wasThere: true });
    expect(ring.snapshot).toBe(once);
  });

  test('brings several keys back in one run, or none', async () => {
    const ring = await settledRing(1, 2, 3, previous(4), current(5));
    await retire(ring, 1, 3);
    const both = (deps: Parameters<typeof runRestore>[0], ...all: readonly number[]) =>
      runRestore(deps, ...all.map(toKeyNumber));
    await refusesUntouched(ring, (deps) => both(deps, 1, 7), 'NOT_RESTORABLE');
    const { exitCode, stdout } = await pazpazKeys(ring, ['restore', '1', '2', '3', '--json']);
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      result: {
        numbers: [1],
        wasThere: false,
        others: [
          { numbers: [2], wasThere: true },
          { numbers: [3], wasThere: false },
        ],
      },
    });
    expect(ring.labels).toMatchObject({ 1: 'key-v1', 2: 'key-v2', 3: 'key-v3' });
    expect(ring.secret.tags).toEqual([]);
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
    await refusesUntouched(
      ring,
      restore(7),
      'NOT_RESTORABLE',
      'recorded: 1.',
      'adopt --version-id',
      '\npazpaz-keys status',
    );
    for (let label = 1; label <= 14; label += 1) await ring.label(`foreign-${label}`, 2);
    await refusesUntouched(ring, restore(1), 'RING_FULL');
    for (let label = 1; label <= 14; label += 1) await ring.detach(`foreign-${label}`);
    await ring.label('key-v1', 2);
    await refusesUntouched(
      ring,
      restore(1),
      'NOT_RESTORABLE',
      'A number never names two versions',
      '\npazpaz-keys status',
    );
  });

  test('after a retirement that AWS does not show yet, brings the key back all the same', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    const before = await describeSecret(ring);
    await retire(ring, 1);
    expect(await runRestore(firstSeeing(ring, before), toKeyNumber(1))).toMatchObject({
      versionId: ring.idOf(1),
      numbers: [1],
    });
    expect(ring.labels).toMatchObject({ 1: 'key-v1' });
    expect(ring.secret.tags).toEqual([]);
  });

  test('where AWS never shows the label, says so and keeps the record', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await retire(ring, 1);
    const before = await describeSecret(ring);
    const { deps } = operatorOf(ring, (secrets) => ({ ...secrets, describeSecret: () => Promise.resolve(before) }));
    await expect(runRestore(deps, toKeyNumber(1))).rejects.toMatchObject({
      code: 'NOT_SEEN_YET',
      message: expect.stringMatching(
        new RegExp(
          `^The label of key 1 was attached to version ${ring.idOf(1)}\\..*Check again in a minute: pazpaz-keys status`,
        ),
      ) as string,
    });
    expect(ring.labels).toMatchObject({ 1: 'key-v1' });
    expect(ring.secret.tags).toHaveLength(1);
  });

  test('refuses a key whose version AWS has deleted', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    ring.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    await retire(ring, 1);
    await refusesUntouched(
      ring,
      (deps) => runRestore(deps, toKeyNumber(1)),
      'NOT_RESTORABLE',
      'AWS has deleted',
      'with a backup: restore-ring --retired',
      '\npazpaz-keys put --not-current',
    );
  });

  test('names the keys that were retired, where the wanted one was not', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    const restore = (deps: Parameters<typeof runRestore>[0]) => runRestore(deps, toKeyNumber(7));
    await refusesUntouched(ring, restore, 'NOT_RESTORABLE', 'recorded: none.');
    await retire(ring, 1, 2);
    await refusesUntouched(ring, restore, 'NOT_RESTORABLE', 'recorded: 1, 2.');
  });

  test('writes nothing where two descriptions show the key on the ring, and no record', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.label('key-v4', 1);
    const { deps, changes } = operatorOf(ring);
    const slept: number[] = [];
    const sleep = (milliseconds: number): Promise<void> => {
      slept.push(milliseconds);
      return deps.sleep(milliseconds);
    };
    expect(await runRestore({ ...deps, sleep }, toKeyNumber(1))).toEqual({
      versionId: ring.idOf(1),
      numbers: [1, 4],
      wasThere: true,
    });
    expect(changes).toEqual([]);
    expect(slept).toEqual([6000]);
  });

  test('attaches the label again that an old description still shows', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await ring.service.advance(25 * HOUR);
    await retire(ring, 1);
    let old = true;
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      describeSecret: async (input) => {
        const { VersionIdsToStages, ...rest } = await secrets.describeSecret(input);
        const shown = { ...VersionIdsToStages, ...(old ? { [ring.idOf(1)]: ['key-v1'] } : {}) };
        old = false;
        return { ...rest, VersionIdsToStages: shown };
      },
    }));
    await runRestore(deps, toKeyNumber(1));
    expect(ring.labels[1]).toBe('key-v1');
    expect(ring.secret.tags).toEqual([]);
  });

  test('is not done until a description shows every label of the key', async () => {
    const ring = await settledRing(1, 3, previous(4), current(5));
    await ring.label('key-v2', 1);
    await ring.service.advance(25 * HOUR);
    await retire(ring, 1);
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      describeSecret: async (input) => {
        const { VersionIdsToStages = {}, ...rest } = await secrets.describeSecret(input);
        const shown = Object.entries(VersionIdsToStages).map(([id, labels]) => [
          id,
          labels.filter((label) => label !== 'key-v2'),
        ]);
        return { ...rest, VersionIdsToStages: Object.fromEntries(shown) as Record<string, string[]> };
      },
    }));
    await expect(runRestore(deps, toKeyNumber(1))).rejects.toMatchObject({ code: 'NOT_SEEN_YET' });
    expect(ring.secret.tags).toHaveLength(2);
  });

  test('puts a number back that another key loses meanwhile', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    await retire(ring, 1);
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      updateSecretVersionStage: async (input) => {
        const output = await secrets.updateSecretVersionStage(input);
        if (input.VersionStage === 'key-v1') await ring.lose('key-v2');
        return output;
      },
    }));
    await runRestore(deps, toKeyNumber(1));
    expect(ring.labels).toMatchObject({ 1: 'key-v1', 2: 'key-v2' });
  });

  test('leaves the records of other keys', async () => {
    const ring = await settledRing(1, 2, previous(3), current(4));
    await retire(ring, 1, 2);
    await runRestore(operatorOf(ring).deps, toKeyNumber(1));
    expect(ring.secret.tags.map(({ Key }) => Key)).toEqual(['pazpaz:retired:key-v2']);
  });

  test('is not done until a description no longer shows the record', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await retire(ring, 1);
    const { Tags } = await describeSecret(ring);
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      describeSecret: async (input) => ({ ...(await secrets.describeSecret(input)), Tags }),
    }));
    await expect(runRestore(deps, toKeyNumber(1))).rejects.toMatchObject({
      code: 'NOT_SEEN_YET',
      message: expect.stringContaining('The record of its retirement was removed.') as string,
    });
  });

  test('where AWS refuses to remove the record, says which call it refused', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    await retire(ring, 1);
    ring.service.faults.set({
      operation: 'UntagResource',
      kind: 'error',
      type: 'AccessDeniedException',
      message: 'You may not',
    });
    await expect(runRestore(operatorOf(ring).deps, toKeyNumber(1))).rejects.toMatchObject({
      code: 'AWS_REFUSED',
      message: expect.stringContaining('UntagResource') as string,
    });
    expect(ring.labels).toMatchObject({ 1: 'key-v1' });
  });
});
