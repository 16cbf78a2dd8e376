import { CreateSecretCommand, DeleteSecretCommand, GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { operatorSecrets } from '../../../src/cli/aws/operator-secrets.ts';
import { bringKeys } from '../../../src/cli/backup/bring-keys.ts';
import { backupText, parseBackup, type RingBackup } from '../../../src/cli/backup/ring-backup.ts';
import { readRing } from '../../../src/cli/backup/read-ring.ts';
import { forgottenNumbers, forgottenTag } from '../../../src/cli/ring/retired-tags.ts';
import { describedRing } from '../../../src/cli/ring/ring.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { decryptField, encryptField } from '../../../src/format/field.ts';
import { KeyMaterial } from '../../../src/format/key-material.ts';
import { readKeyValue } from '../../../src/format/key-value.ts';
import { startService, stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { numbers, operatorOf } from '../support/operator.ts';
import { retire, settledRing } from '../support/retiring.ts';

afterEach(stopServices);

async function backupOf(ring: TestRing): Promise<RingBackup> {
  const { deps } = operatorOf(ring);
  return parseBackup(backupText(await readRing(deps, await describedRing(deps))));
}

const bring = (ring: TestRing, backup: RingBackup, withRetired = false) =>
  bringKeys(operatorOf(ring).deps, backup, { withRetired });

/** AWS deletes the version of a place. */
function forget(ring: TestRing, place: number): void {
  Reflect.deleteProperty(ring.secret.versions, ring.idOf(place));
}

/** A ring whose key 1 was retired so long ago that its record is gone. */
async function longRetired(): Promise<{ readonly ring: TestRing; readonly backup: RingBackup }> {
  const ring = await settledRing(1, 2, 3, previous(4), current(5));
  const backup = await backupOf(ring);
  await retire(ring, 1);
  forget(ring, 1);
  await ring.service.advance(25 * HOUR);
  await retire(ring, 2);
  expect(ring.secret.tags.map(({ Key }) => Key)).not.toContain('pazpaz:retired:key-v1');
  return { ring, backup };
}

describe('a key that has lost its number', () => {
  test.each([
    ['previous', current(16), previous(17), 17],
    ['current', previous(16), current(17), 17],
    ['current, below the highest', previous(17), current(16), 17],
  ] as const)('is named again if it is in use, also on a full ring: %s', async (_, one, other, place) => {
    const ring = await ringWith(...Array.from({ length: 15 }, (__, index) => index + 1), one, other);
    const backup = await backupOf(ring);
    const label = `key-v${String(other.number)}`;
    await ring.detach(label);
    const versions = Object.keys(ring.secret.versions).length;
    expect((await bring(ring, backup)).brought).toEqual(numbers(other.number ?? 0));
    expect(ring.labels[place]).toContain(label);
    expect(Object.keys(ring.secret.versions)).toHaveLength(versions);
  });

  test('comes back as another version, and the old one needs no rescue', async () => {
    const ring = await ringWith(1, 2, previous(3), current(4));
    await ring.enableRotation();
    const backup = await backupOf(ring);
    await ring.detach('key-v2');
    expect((await bring(ring, backup)).brought).toEqual(numbers(2));
    const { notes, versions } = await runStatus(operatorOf(ring).deps);
    expect(notes).toEqual([]);
    expect(versions.find(({ versionId }) => versionId === ring.idOf(2))?.state).toBe('copy');
  });
});

describe('a key that was retired long ago', () => {
  test('stays retired although its record is gone', async () => {
    const { ring, backup } = await longRetired();
    expect(await bring(ring, backup)).toMatchObject({ brought: [], retired: numbers(1, 2) });
    expect(await bring(ring, backup, true)).toMatchObject({ brought: numbers(1, 2), retired: [] });
    expect(forgottenNumbers(ring.secret.tags)).toEqual(new Set());
    expect((await runStatus(operatorOf(ring).deps)).retired).toEqual([]);
  });

  test('lists only the tags that were there as removed', async () => {
    const { ring, backup } = await longRetired();
    const { deps, changes } = operatorOf(ring);
    await bringKeys(deps, backup, { withRetired: true });
    const removed = changes.flatMap((one) => (one.change === 'tag-removed' ? [one.key] : []));
    expect(removed).toEqual(['pazpaz:retired:key-v2']);
  });

  test('does not come from an older backup onto a ring that a newer one has brought back', async () => {
    const { ring, backup: older } = await longRetired();
    const newer = await backupOf(ring);
    const restored = await ringWith();
    await bring(restored, newer);
    expect(await bring(restored, older)).toMatchObject({ brought: [], retired: numbers(1, 2) });
  });
});

test('a ring that was deleted for good comes back in another region, and every row opens', async () => {
  const ring = await ringWith(1, previous(2), current(3));
  const rows = [1, 2, 3].map((place) => {
    const [number] = numbers(place);
    return encryptField('note', KeyMaterial.fromBytes(keyOf(place)), 'a', number === undefined ? {} : { number });
  });
  const backup = await backupOf(ring);
  const { deps } = operatorOf(ring);
  await ring.client.send(new DeleteSecretCommand({ SecretId: SECRET, ForceDeleteWithoutRecovery: true }));
  const { client } = await startService({ region: 'eu-west-1' });
  await client.send(new CreateSecretCommand({ Name: SECRET }));
  await bringKeys({ ...deps, secrets: operatorSecrets(client) }, backup);
  for (const [index, row] of rows.entries()) {
    const named = { SecretId: SECRET, VersionStage: `key-v${index + 1}` };
    const { key } = readKeyValue(await client.send(new GetSecretValueCommand(named)));
    expect(decryptField(row, key, 'a')).toBe('note');
  }
});

test('the numbers of retired keys fit into a tag, and a tag that was changed by hand gives none', () => {
  expect(forgottenTag([3, 1, 2, 7, 5, 5])).toEqual({ Key: 'pazpaz:retired-before', Value: '1-3 5 7' });
  const many = Array.from({ length: 400 }, (_, index) => index * 2 + 1);
  expect(forgottenTag(many).Value?.length).toBeLessThanOrEqual(256);
  expect([...forgottenNumbers([forgottenTag([1, 2, 9])])]).toEqual([1, 2, 9]);
  const Key = 'pazpaz:retired-before';
  expect([...forgottenNumbers([{ Key, Value: '4 x 3-1 0 5-6 a7 7a 8- 12 1-1' }])]).toEqual([4, 5, 6, 12, 1]);
  expect(forgottenNumbers([{ Key: 'team', Value: '3' }])).toEqual(new Set());
  expect(forgottenNumbers(undefined)).toEqual(new Set());
  expect(forgottenNumbers([{ Key, Value: '1-999999999' }]).size).toBe(10_000);
});

test('the list of retired keys in a backup must be one', () => {
  const text = '{"format":"pazpaz-key-ring-backup-1","secret":"x","madeAt":"x","retired":["1"],"keys":[';
  const key = `{"numbers":[2],"isCurrent":true,"secretString":"${keyOf(1).toString('base64')}"}]}`;
  expect(() => parseBackup(text + key)).toThrow('its list of retired keys is not valid');
});
