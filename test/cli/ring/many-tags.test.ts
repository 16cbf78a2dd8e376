import { TagResourceCommand, UpdateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { runAdopt } from '../../../src/cli/commands/adopt.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { moveKeys } from '../../../src/cli/move/move-keys.ts';
import { runCleanUp } from '../../../src/cli/ring/clean-up.ts';
import { madeDays } from '../../../src/cli/move/made-tag.ts';
import { copyTags } from '../../../src/cli/ring/version-tags.ts';
import { copyVersions } from '../../../src/format/retired-tag.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { DAY } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { counting, numbers, operatorOf } from '../support/operator.ts';
import { refusesUntouched } from '../support/refusal.ts';

/* A secret can have 50 tags, and the commands leave records in tags. */

const arn = (id: string): string => `arn:aws:kms:us-east-1:123456789012:key/${id}`;
const [OLD, NEW] = [arn('old'), arn('new')];
const OLDER = Array.from({ length: 15 }, (_, index) => index + 1);

afterEach(stopServices);

async function fullRing(): Promise<TestRing> {
  const ring = await ringWith(...OLDER, previous(16), current(17));
  for (const version of Object.values(ring.secret.versions)) Object.assign(version, { kmsKeyId: OLD });
  await ring.client.send(new UpdateSecretCommand({ SecretId: SECRET, KmsKeyId: OLD }));
  await ring.service.idle();
  return ring;
}

async function addTags(ring: TestRing, count: number, name = 'owner'): Promise<void> {
  const Tags = Array.from({ length: count }, (_, index) => ({ Key: `${name}:${index}`, Value: 'clinic' }));
  for (let from = 0; from < count; from += 25)
    await ring.client.send(new TagResourceCommand({ SecretId: SECRET, Tags: Tags.slice(from, from + 25) }));
}

test('a move of 17 keys there, back and there again fits beside 40 tags of others', async () => {
  const ring = await fullRing();
  await addTags(ring, 40);
  for (const to of [NEW, OLD, NEW]) {
    expect(await moveKeys(operatorOf(ring).deps, to)).toMatchObject({ moved: { length: 15 }, left: [] });
    await ring.service.advance(DAY);
  }
  expect(ring.secret.tags.length).toBeLessThanOrEqual(50);
  const { versions, notes } = await runStatus(operatorOf(ring).deps);
  expect(versions.filter(({ state }) => state === 'copy')).toHaveLength(30);
  expect(notes.map(({ code }) => code)).not.toContain('version-without-label');
});

test('a move keeps the day on which each key was made', async () => {
  const ring = await fullRing();
  const day = new Date(ring.secret.versions[ring.idOf(1)]?.createdDate ?? 0).toISOString().slice(0, 10);
  await ring.service.advance(100 * DAY);
  for (const to of [NEW, OLD]) await moveKeys(operatorOf(ring).deps, to);
  expect(madeDays(ring.secret.tags)).toEqual(new Map(OLDER.map((number) => [number, day])));
});

describe('a command that would pass the limit refuses before it changes anything', () => {
  test('move', async () => {
    const ring = await fullRing();
    await addTags(ring, 47);
    await refusesUntouched(ring, () => moveKeys(operatorOf(ring).deps, NEW), 'TOO_MANY_TAGS');
  });

  test('retire', async () => {
    const ring = await fullRing();
    await addTags(ring, 49);
    await ring.service.advance(2 * DAY);
    const retire = () => runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(1, 2) });
    await refusesUntouched(ring, retire, 'TOO_MANY_TAGS');
  });

  test('rotate --clean-up', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.begin();
    await ring.step('createSecret');
    await addTags(ring, 50);
    await refusesUntouched(ring, () => runCleanUp(operatorOf(ring).deps), 'TOO_MANY_TAGS');
  });

  test('adopt --version-id', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.put(keyOf(9).toString('base64'), undefined, ['mine']);
    await addTags(ring, 50);
    const adopt = () => runAdopt(operatorOf(ring).deps, { versionId: ring.idOf(3) });
    await refusesUntouched(ring, adopt, 'TOO_MANY_TAGS');
  });
});

test('tags of AWS do not count', async () => {
  const ring = await fullRing();
  await addTags(ring, 40);
  Object.assign(ring.secret, {
    tags: [...ring.secret.tags, ...Array.from({ length: 9 }, (_, index) => ({ Key: `aws:stack:${index}`, Value: '' }))],
  });
  expect(ring.secret.tags).toHaveLength(49);
  expect(await moveKeys(operatorOf(ring).deps, NEW)).toMatchObject({ left: [] });
});

test('one tag records up to seven versions, and readers find each', () => {
  const ids = Array.from({ length: 15 }, (_, index) => `${index}`.padStart(36, 'a'));
  const tags = copyTags(ids, new Date('2026-11-30T08:00:00Z'));
  expect(tags).toHaveLength(3);
  expect(tags.every(({ Value = '' }) => Value.length <= 256)).toBe(true);
  expect([...copyVersions(tags)]).toEqual(ids);
});
