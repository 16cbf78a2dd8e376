import { moveKeys } from '../../../src/cli/move/move-keys.ts';
import { runRestore } from '../../../src/cli/commands/restore.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { forgottenNumbers } from '../../../src/cli/ring/retired-tags.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { retiredKeys } from '../../../src/format/retired-tag.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith, type TestRing } from '../../support/ring.ts';
import type { CommandDependencies } from '../../../src/cli/aws/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';
import { counting, giveCredentials, numbers, operatorOf } from '../support/operator.ts';

const NEW = 'arn:aws:kms:us-east-1:123456789012:key/new';

beforeAll(giveCredentials);
afterEach(stopServices);

const codes = async (ring: TestRing) => (await runStatus(operatorOf(ring).deps)).notes.map(({ code }) => code);
const restore = async (ring: TestRing, number: number) => runRestore(operatorOf(ring).deps, toKeyNumber(number));
const retire = async (ring: TestRing, number: number, force: boolean) =>
  runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(number), force });
const recorded = (ring: TestRing) => retiredKeys(ring.secret.tags).map(({ number }) => number);
const remove = (ring: TestRing, versionId: string): void => {
  const versions = Object.entries(ring.secret.versions).filter(([id]) => id !== versionId);
  Object.assign(ring.secret, { versions: Object.fromEntries(versions) });
};

/** The retirement of key 2 stopped after its record; then its number moved to another version. */
async function movedBesideItsRecord(): Promise<TestRing> {
  const ring = await ringWith(1, 2, 3, previous(4), current(5));
  await ring.enableRotation();
  ring.service.faults.set({
    operation: 'UpdateSecretVersionStage',
    kind: 'error',
    type: 'AccessDeniedException',
    status: 400,
  });
  await expect(retire(ring, 2, true)).rejects.toThrow('UpdateSecretVersionStage');
  ring.service.faults.clear();
  await moveKeys(operatorOf(ring).deps, NEW);
  expect(await codes(ring)).toContain('retirement-unfinished');
  return ring;
}

describe('restore of a number that move has brought to another version', () => {
  test('removes the record where AWS has deleted the version of the record', async () => {
    const ring = await movedBesideItsRecord();
    remove(ring, ring.idOf(2));
    expect(await restore(ring, 2)).toMatchObject({ numbers: [2], wasThere: true });
    expect(recorded(ring)).toEqual([]);
    expect(await codes(ring)).toEqual([]);
  });

  test('removes it where that version cannot be read, because only move makes such a version of this key', async () => {
    const ring = await movedBesideItsRecord();
    ring.service.faults.set({
      operation: 'GetSecretValue',
      versionId: ring.idOf(2),
      kind: 'error',
      type: 'DecryptionFailure',
      status: 400,
    });
    expect(await restore(ring, 2)).toMatchObject({ numbers: [2], wasThere: true });
    expect(recorded(ring)).toEqual([]);
  });

  test('is not counted as retired long ago when the next retirement removes its record', async () => {
    const ring = await movedBesideItsRecord();
    remove(ring, ring.idOf(2));
    await ring.service.advance(25 * HOUR);
    await retire(ring, 1, false);
    expect(recorded(ring)).toEqual([1]);
    expect(forgottenNumbers(ring.secret.tags)).toEqual(new Set());
    expect(ring.secret.tags.map(({ Key }) => Key)).not.toContain('pazpaz:retired-before');
  });
});

describe('restore of a number that was labelled by hand', () => {
  async function labelledByHand(): Promise<TestRing> {
    const ring = await ringWith(1, 2, 3, previous(4), current(5));
    await retire(ring, 1, true);
    await ring.label('key-v1', 3);
    return ring;
  }

  test('refuses while the retired version has another key', async () => {
    const ring = await labelledByHand();
    await expect(restore(ring, 1)).rejects.toMatchObject({
      code: 'NOT_RESTORABLE',
      message: expect.stringContaining('has another key') as string,
    });
  });

  test('says that the keys cannot be compared where one cannot be read', async () => {
    const ring = await labelledByHand();
    ring.service.faults.set({
      operation: 'GetSecretValue',
      versionId: ring.idOf(1),
      kind: 'error',
      type: 'DecryptionFailure',
      status: 400,
    });
    await expect(restore(ring, 1)).rejects.toMatchObject({
      code: 'NOT_RESTORABLE',
      message: expect.stringContaining(`${ring.idOf(1)} cannot be read now`) as string,
      next: [{ command: 'doctor' }],
    });
  });

  test('names the keys that can be restored without the one that cannot be decided', async () => {
    const ring = await ringWith(1, 2, 3, 4, previous(5), current(6));
    for (const number of [1, 2, 3]) await retire(ring, number, true);
    await ring.label('key-v1', 4);
    const both = (deps: CommandDependencies) => runRestore(deps, ...numbers(1, 2, 3));
    await refusesUntouched(
      ring,
      both,
      'NOT_RESTORABLE',
      'has another key',
      '\npazpaz-keys restore 2 3\npazpaz-keys status',
    );
    const gone = (deps: CommandDependencies) => runRestore(deps, ...numbers(2, 3));
    remove(ring, ring.idOf(2));
    await refusesUntouched(ring, gone, 'NOT_RESTORABLE', 'AWS has deleted', '\npazpaz-keys restore 3\n');
    await runRestore(operatorOf(ring).deps, ...numbers(3));
    expect(recorded(ring)).toEqual([1, 2]);
  });

  test('removes a record about a version that AWS does not have', async () => {
    const ring = await labelledByHand();
    remove(ring, ring.idOf(1));
    await restore(ring, 1);
    expect(recorded(ring)).toEqual([]);
  });
});
