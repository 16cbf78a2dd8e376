import { moveKeys } from '../../../src/cli/move/move-keys.ts';
import { runAdopt } from '../../../src/cli/commands/adopt.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { detachLabel } from '../../../src/cli/ring/labels.ts';
import { runMaintain } from '../../../src/cli/ring/maintenance.ts';
import { copyVersions } from '../../../src/format/retired-tag.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { counting, giveCredentials, numbers, operatorOf } from '../support/operator.ts';

const NEW = 'arn:aws:kms:us-east-1:123456789012:key/new';

beforeAll(giveCredentials);
afterEach(stopServices);

/** Killed after key 1 has moved, and before its former version is tagged; a day later. */
async function halfMoved(): Promise<TestRing> {
  const ring = await ringWith(1, 2, previous(3), current(4));
  await ring.enableRotation();
  ring.service.faults.set({
    operation: 'TagResource',
    kind: 'error',
    type: 'AccessDeniedException',
    status: 400,
    nth: 2,
  });
  await expect(move(ring)).rejects.toThrow('TagResource');
  ring.service.faults.clear();
  await ring.service.advance(25 * HOUR);
  return ring;
}
const move = async (ring: TestRing) => moveKeys(operatorOf(ring).deps, NEW);
const retire = async (ring: TestRing, number: number) =>
  runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(number) });
const codes = async (ring: TestRing) => (await runStatus(operatorOf(ring).deps)).notes.map(({ code }) => code);

describe('a key whose move is not finished', () => {
  test('is not retired before that, so its former version never looks like a lost key', async () => {
    const ring = await halfMoved();
    await expect(retire(ring, 1)).rejects.toMatchObject({ code: 'KEY_STILL_NEEDED' });
    await move(ring);
    await ring.service.advance(25 * HOUR);
    await retire(ring, 1);
    expect(await codes(ring)).toEqual(['restorable']);
  });

  test('holds up no other key in maintain', async () => {
    const rows = {
      leftByLast: () => Promise.resolve(0),
      reencrypt: () => Promise.resolve([]),
      census: counting(),
    };
    const ring = await halfMoved();
    const { retired } = await runMaintain(operatorOf(ring).deps, rows, { keep: 1, retire: 'do' });
    expect(retired.map(({ number }) => number)).toEqual([2]);
  });

  test('was retired without its label: move tags its former version, and adopt never brings that back', async () => {
    const ring = await halfMoved();
    const { deps } = operatorOf(ring);
    const [copy = ''] = Object.keys(ring.secret.versions).filter((id) => labelsOf(ring, id).includes('key-moving'));
    await detachLabel(deps, 'key-moving', copy);
    await ring.service.advance(25 * HOUR);
    await retire(ring, 1);
    await expect(runAdopt(deps, { versionId: ring.idOf(1) })).rejects.toMatchObject({ code: 'VERSION_IS_RETIRED' });
    expect(await codes(ring)).not.toContain('version-without-label');

    await ring.service.call('UntagResource', {
      SecretId: ring.secret.arn,
      TagKeys: [`pazpaz:copy:${ring.idOf(1)}`],
    });
    await ring.service.call('UpdateSecretVersionStage', {
      SecretId: ring.secret.arn,
      VersionStage: 'key-moving',
      MoveToVersionId: copy,
    });
    await move(ring);
    expect(await codes(ring)).not.toContain('version-without-label');
  });
});

test('a copy that has a number again and moves again leaves the records of other copies', async () => {
  const ring = await ringWith(1, 2, 3, 4, previous(5), current(6));
  await ring.enableRotation();
  await move(ring);
  const copies = [1, 2, 3, 4].map((number) => ring.idOf(number));
  expect([...copyVersions(tagsOf(ring))].sort()).toEqual([...copies].sort());
  await ring.label('AWSCURRENT', 1);
  await runAdopt(operatorOf(ring).deps, {});
  expect(copyVersions(tagsOf(ring))).toEqual(new Set(copies.slice(1)));
  await ring.rotate();
  await ring.rotate();
  await move(ring);
  for (const versionId of copies) expect(copyVersions(tagsOf(ring))).toContain(versionId);
  expect(await codes(ring)).not.toContain('version-without-label');
});

const labelsOf = (ring: TestRing, versionId: string): readonly string[] =>
  ring.secret.versions[versionId]?.stages ?? [];
const tagsOf = (ring: TestRing) => ring.secret.tags;
