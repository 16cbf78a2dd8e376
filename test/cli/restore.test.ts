import { runRestore } from '../../src/cli/commands/restore.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { stopServices } from '../local/support/running-service.ts';
import { HOUR } from '../local/support/state-machine.ts';
import { current, previous, ringWith, SECRET, type TestRing } from '../support/ring.ts';
import { Rows } from '../support/rows.ts';
import { operatorOf } from './support/operator.ts';
import { refusesUntouched } from './support/refusal.ts';
import { retire, settledRing } from './support/retiring.ts';

afterEach(stopServices);

/** All of the secret, values included, but the dates of its last change and read. */
function secretOf(ring: TestRing): object {
  return { ...(JSON.parse(ring.snapshot) as object), lastChangedDate: undefined };
}

async function describeSecret({ deps }: TestRing) {
  return deps.secrets.describeSecret({ SecretId: SECRET });
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

  test('after a retirement that AWS does not show yet, brings the key back all the same', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    const before = await describeSecret(ring);
    await retire(ring, 1);
    let looks = 0;
    const { deps } = operatorOf(ring, (secrets) => ({
      ...secrets,
      describeSecret: (input) => ((looks += 1) === 1 ? Promise.resolve(before) : secrets.describeSecret(input)),
    }));
    expect(await runRestore(deps, toKeyNumber(1))).toMatchObject({ versionId: ring.idOf(1), numbers: [1] });
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
      message: expect.stringContaining('Check again in a minute: pazpaz-keys status') as string,
    });
    expect(ring.labels).toMatchObject({ 1: 'key-v1' });
    expect(ring.secret.tags).toHaveLength(1);
  });

  test('refuses a key whose version AWS has deleted', async () => {
    const ring = await settledRing(1, previous(2), current(3));
    ring.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    await retire(ring, 1);
    await refusesUntouched(ring, (deps) => runRestore(deps, toKeyNumber(1)), 'NOT_RESTORABLE', 'AWS has deleted');
  });
});
