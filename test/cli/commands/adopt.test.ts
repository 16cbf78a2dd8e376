import { runStatus } from '../../../src/cli/commands/status.ts';
import { runAdopt } from '../../../src/cli/commands/adopt.ts';
import { runPut } from '../../../src/cli/commands/put.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, holding, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { Rows } from '../../support/rows.ts';
import { counting, giveCredentials, numbers, operatorOf, pazpazKeys, valueOf } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

const adopt = (ring: TestRing, versionId?: string) => runAdopt(operatorOf(ring).deps, { versionId });

test('a current value that is not a key leads from adopt to rollback', async () => {
  const ring = await ringWith(previous(1), holding('not a key', current()));
  const { stdout } = await pazpazKeys(ring, ['adopt']);
  expect(stdout).toContain('its value is not a key');
  expect(stdout).toContain('  pazpaz-keys rollback');
});

describe('adopt', () => {
  test('numbers the keys in use, and changes nothing when it is repeated', async () => {
    const ring = await ringWith(previous(), current());
    await adopt(ring);
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2' });
    const once = ring.snapshot;
    await adopt(ring);
    expect(ring.snapshot).toBe(once);
  });

  test('finishes a put --not-current that was left over', async () => {
    const ring = await ringWith(current(1));
    await ring.put(keyOf(9).toString('base64'), undefined, ['key-incoming']);
    await adopt(ring);
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'key-v2' });
  });

  test('takes key-incoming off a version that holds no key', async () => {
    const ring = await ringWith(current(1));
    await ring.put('not a key', undefined, ['key-incoming']);
    await adopt(ring);
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: '' });
  });

  test('C02: rescues a version that two puts by hand have pushed out of every label', async () => {
    const ring = await ringWith(current(1));
    const rows = new Rows(ring);
    for (const place of [21, 22, 23]) {
      await ring.put(keyOf(place).toString('base64'));
      await rows.write();
    }
    expect(await rows.unreadable()).toEqual([1]);
    expect(await adopt(ring, ring.idOf(2))).toEqual({ rescued: { versionId: ring.idOf(2), number: 4 } });
    expect(await rows.unreadable()).toEqual([]);
    expect(ring.secret.tags.map(({ Key }) => Key)).toEqual([`pazpaz:rescued:${ring.idOf(2)}`]);
    const once = ring.snapshot;
    expect(await adopt(ring, ring.idOf(2))).toMatchObject({ rescued: { number: 4 } });
    expect(ring.snapshot).toBe(once);
  });

  test('gives no second number to a key that is on the ring already', async () => {
    const ring = await ringWith(current(1));
    await ring.put(keyOf(1).toString('base64'), undefined, ['mine']);
    expect(await adopt(ring, ring.idOf(2))).toMatchObject({ rescued: { number: 1 } });
    expect(ring.labels).toMatchObject({ 2: 'mine' });
    expect(ring.secret.tags.map(({ Key }) => Key)).toEqual([`pazpaz:copy:${ring.idOf(2)}`]);
    const { notes, versions } = await runStatus(operatorOf(ring).deps);
    expect(versions.find(({ versionId }) => versionId === ring.idOf(2))?.state).toBe('copy');
    expect(notes.map(({ code }) => code)).not.toContain('foreign-label-only');
  });
});

describe('adopt counts the labels for everything before it gives the first', () => {
  /** A ring with this many free labels. */
  async function nearlyFull(free: number): Promise<TestRing> {
    const ring = await ringWith(current());
    await ring.put(keyOf(9).toString('base64'), undefined, ['mine']);
    for (let label = 1; label <= 16 - free; label += 1) await ring.label(`foreign-${label}`, 1);
    return ring;
  }

  test('and refuses where one number of two is left', async () => {
    const ring = await nearlyFull(1);
    const versionId = ring.idOf(2);
    const says = '2 free staging labels needed, 1 free';
    await refusesUntouched(ring, (deps) => runAdopt(deps, { versionId }), 'RING_FULL', says);
    await adopt(ring);
    expect(ring.labels[1]).toContain('key-v1');
  });

  test('and goes ahead where both are left', async () => {
    const ring = await nearlyFull(2);
    expect(await adopt(ring, ring.idOf(2))).toMatchObject({ rescued: { number: 2 } });
  });

  test('the label of a key that is arriving, which it gives back, included', async () => {
    const ring = await nearlyFull(2);
    await ring.put(keyOf(10).toString('base64'), undefined, ['key-incoming']);
    const versionId = ring.idOf(2);
    const says = '2 free staging labels needed, 1 free';
    await refusesUntouched(ring, (deps) => runAdopt(deps, { versionId }), 'RING_FULL', says);
    await ring.detach('foreign-1');
    expect(await adopt(ring, ring.idOf(2))).toMatchObject({ rescued: { number: 3 } });
    expect(ring.labels).toMatchObject({ 3: 'key-v2' });
  });

  test('and none for a copy of a key that gets its number as a key in use', async () => {
    const ring = await ringWith(current());
    await ring.put(keyOf(1).toString('base64'), undefined, ['mine']);
    for (let label = 1; label <= 15; label += 1) await ring.label(`foreign-${label}`, 1);
    expect(await adopt(ring, ring.idOf(2))).toMatchObject({ rescued: { number: 1 } });
  });
});

describe('adopt --version-id refuses, and the secret is exactly as it was', () => {
  test('a key that was retired', async () => {
    const ring = await ringWith(1, previous(2), current(3));
    await ring.service.advance(25 * HOUR);
    await runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(1) });
    const versionId = ring.idOf(1);
    await refusesUntouched(ring, (deps) => runAdopt(deps, { versionId }), 'VERSION_IS_RETIRED', 'restore 1');
  });

  test('a version that is not there', async () => {
    const ring = await ringWith(current(1));
    const versionId = 'nothing'.padEnd(36, '-');
    await refusesUntouched(ring, (deps) => runAdopt(deps, { versionId }), 'UNKNOWN_VERSION', 'status');
  });

  test('a version that holds no key', async () => {
    const ring = await ringWith(current(1));
    await ring.put('not a key', undefined, ['mine']);
    const versionId = ring.idOf(2);
    await refusesUntouched(ring, (deps) => runAdopt(deps, { versionId }), 'INVALID_KEY_VALUE');
  });

  test('a version without a value, which a put over it has left, at once and in words of its own', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    await runPut(operatorOf(ring).deps, valueOf(9));
    const versionId = ring.idOf(2);
    ring.slept.splice(0);
    await refusesUntouched(
      ring,
      (deps) => runAdopt(deps, { versionId }),
      'VERSION_HAS_NO_VALUE',
      'It never encrypted anything',
    );
    expect(ring.slept).toEqual([]);
  });

  test('the pending version of a rotation', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    await ring.step('createSecret');
    const versionId = ring.idOf(2);
    await refusesUntouched(ring, (deps) => runAdopt(deps, { versionId }), 'ROTATION_UNDER_WAY');
  });
});
