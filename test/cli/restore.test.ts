import { runRestore } from '../../src/cli/commands/restore.ts';
import { toKeyNumber } from '../../src/keyring/key-number.ts';
import { stopServices } from '../local/running-service.ts';
import { current, previous } from '../rotation/ring.ts';
import { operatorOf } from './operator.ts';
import { refusesUntouched } from './refusal.ts';
import { retire, settledRing } from './retiring.ts';

afterEach(stopServices);

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
