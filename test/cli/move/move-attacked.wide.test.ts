import { UpdateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { bringKeys } from '../../../src/cli/backup/bring-keys.ts';
import { readRing } from '../../../src/cli/backup/read-ring.ts';
import { moveKeys, type MoveResult } from '../../../src/cli/move/move-keys.ts';
import { runAdopt } from '../../../src/cli/commands/adopt.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { runRollback } from '../../../src/cli/commands/rollback.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { runCleanUp } from '../../../src/cli/ring/clean-up.ts';
import { describedRing } from '../../../src/cli/ring/ring.ts';
import type { OperatorSecrets } from '../../../src/cli/aws/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { Rows } from '../../support/rows.ts';
import { found } from '../support/examined.ts';
import { counting, giveCredentials, numbers, operatorOf, pazpazKeys } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';

const arn = (id: string): string => `arn:aws:kms:us-east-1:123456789012:key/${id}`;
const [OLD, NEW] = [arn('old'), arn('new')];

beforeAll(giveCredentials);
afterEach(stopServices);

async function setKmsKey(ring: TestRing, KmsKeyId: string): Promise<void> {
  await ring.client.send(new UpdateSecretCommand({ SecretId: SECRET, KmsKeyId }));
  await ring.service.idle();
}
async function under(ring: TestRing, kmsKeyId: string): Promise<TestRing> {
  for (const version of Object.values(ring.secret.versions)) Object.assign(version, { kmsKeyId });
  await setKmsKey(ring, kmsKeyId);
  await ring.enableRotation();
  return ring;
}
const oldRing = async () => under(await ringWith(1, 2, previous(3), current(4)), OLD);
const fullRing = async () =>
  under(await ringWith(...Array.from({ length: 15 }, (_, index) => index + 1), previous(16), current(17)), OLD);
const move = (
  ring: TestRing,
  to: string,
  change?: (secrets: OperatorSecrets) => OperatorSecrets,
): Promise<MoveResult> => moveKeys(operatorOf(ring, change).deps, to);
class Killed extends Error {}
const killedAtWrite =
  (nth: number) =>
  (secrets: OperatorSecrets): OperatorSecrets => {
    let writes = 0;
    const cut =
      <In, Out>(call: (input: In) => Promise<Out>) =>
      async (input: In): Promise<Out> => {
        if ((writes += 1) > nth) throw new Killed();
        return call(input);
      };
    return {
      ...secrets,
      putSecretValue: cut(secrets.putSecretValue),
      updateSecretVersionStage: cut(secrets.updateSecretVersionStage),
      tagResource: cut(secrets.tagResource),
      untagResource: cut(secrets.untagResource),
      updateSecret: cut(secrets.updateSecret),
    };
  };
const backupOf = async (ring: TestRing) => {
  const { deps } = operatorOf(ring);
  return readRing(deps, await describedRing(deps));
};
const codes = async (ring: TestRing) => (await runStatus(operatorOf(ring).deps)).notes.map(({ code }) => code);

/** What `status` finds, beside the full ring itself. */
const notes = async (ring: TestRing) => (await codes(ring)).filter((code) => code !== 'ring-full');

describe('a ring of 17 keys', () => {
  test.each([
    [2, runAdopt],
    [3, runRollback],
    [4, runRollback],
  ] as const)('that was killed after write %i is adopted or rolled back, and moved', async (nth, command) => {
    const ring = await fullRing();
    const rows = new Rows(ring);
    await rows.write();
    await expect(move(ring, NEW, killedAtWrite(nth))).rejects.toThrow();
    await command(operatorOf(ring).deps, {});
    expect((await move(ring, NEW)).left).toEqual([]);
    expect(await rows.unreadable()).toEqual([]);
    expect(await notes(ring)).toEqual([]);
  });

  test('whose rotation was refused has no label for a moment: nothing is written, and clean-up helps', async () => {
    const ring = await fullRing();
    await ring.rotate();
    await refusesUntouched(ring, (deps) => moveKeys(deps, NEW), 'RING_FULL', 'clean-up');
    await runCleanUp(operatorOf(ring).deps);
    expect((await move(ring, NEW)).left).toEqual([]);
  });
});

test('a key that cannot be read is refused before the first write', async () => {
  const ring = await oldRing();
  const denied = Object.assign(new Error('Access to KMS is not allowed'), { name: 'AccessDeniedException' });
  const withoutKey2 = (secrets: OperatorSecrets): OperatorSecrets => ({
    ...secrets,
    getSecretValue: (input) =>
      input.VersionId === ring.idOf(2) ? Promise.reject(denied) : secrets.getSecretValue(input),
  });
  await refusesUntouched(
    ring,
    (deps) => moveKeys({ ...deps, secrets: withoutKey2(deps.secrets) }, NEW),
    'RING_KEY_UNREADABLE',
  );
});

test('a version of a killed move needs no rescue once its key is retired, and the other version deleted', async () => {
  const ring = await oldRing();
  await setKmsKey(ring, NEW);
  await expect(move(ring, NEW, killedAtWrite(1))).rejects.toThrow();
  await ring.service.advance(25 * HOUR);
  await runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(1) });
  const { [ring.idOf(1)]: deleted, ...versions } = ring.secret.versions;
  expect(deleted).toBeDefined();
  Object.assign(ring.secret, { versions });
  await move(ring, NEW);
  expect(await codes(ring)).toEqual([]);
});

test('the end names versions without a number, or with a label of someone else, under the former KMS key', async () => {
  const ring = await under(await ringWith(1, 2, 3, previous(4), current(5)), OLD);
  await ring.label('my-app', 1);
  await ring.detach('key-v3');
  const { stdout } = await pazpazKeys(ring, ['move', '--kms-key-id', NEW, '--yes']);
  expect(stdout).toContain('by its label my-app needs it');
  expect(stdout).toContain(`version ${ring.idOf(3)}: it has no number`);
  expect(await move(ring, NEW)).toMatchObject({
    unnumberedElsewhere: [
      { versionId: ring.idOf(1), labels: ['my-app'] },
      { versionId: ring.idOf(3), labels: [] },
    ],
  });
});

test.each([1, 2, 3, 4])('both numbers of a key end on one version, killed after write %i', async (nth) => {
  const ring = await oldRing();
  await ring.label('key-v7', 1);
  await expect(move(ring, NEW, killedAtWrite(nth))).rejects.toThrow();
  await move(ring, NEW);
  const { versionOf } = (await describedRing(operatorOf(ring).deps)).ring;
  const [one, seven] = numbers(1, 7).map((number) => versionOf.get(number));
  expect(one).toBe(seven);
  expect((await found(ring)).codes).toEqual([]);
});

test('a backup from before or after a move brings the ring back, and a number that it has lost', async () => {
  const ring = await oldRing();
  const before = await backupOf(ring);
  await move(ring, NEW);
  for (const backup of [before, await backupOf(ring)]) {
    const other = await ringWith();
    expect((await bringKeys(operatorOf(other).deps, backup)).brought).toEqual([1, 2, 3, 4]);
    await ring.detach('key-v1');
    expect((await bringKeys(operatorOf(ring).deps, backup)).brought).toEqual([1]);
    expect(await codes(ring)).toEqual([]);
  }
});

describe('a number that is lost on a version that was once a copy is seen', () => {
  test('after a move there and back and there', async () => {
    const ring = await oldRing();
    for (const to of [NEW, OLD, NEW]) await move(ring, to);
    await ring.detach('key-v1');
    expect(await codes(ring)).toEqual(['version-without-label']);
  });

  test('after restore-ring has brought it again', async () => {
    const backup = await backupOf(await oldRing());
    const ring = await ringWith();
    await bringKeys(operatorOf(ring).deps, backup);
    await under(ring, OLD);
    await move(ring, NEW);
    await ring.detach('key-v1');
    await bringKeys(operatorOf(ring).deps, backup);
    expect(await codes(ring)).toEqual(['older-kms-key']);
    await ring.detach('key-v1');
    expect(await codes(ring)).toEqual(['version-without-label']);
  });
});
