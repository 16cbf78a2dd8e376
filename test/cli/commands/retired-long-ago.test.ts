import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UpdateSecretVersionStageCommand } from '@aws-sdk/client-secrets-manager';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import type { RetiredKey } from '../../../src/format/retired-tag.ts';
import { FORGOTTEN_VERSIONS, forgottenVersionsTag, isForgottenVersion } from '../../../src/cli/ring/retired-tags.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { DAY, token } from '../../local/support/state-machine.ts';
import { current, previous, SECRET, type TestRing } from '../../support/ring.ts';
import { giveCredentials, pazpazKeys } from '../support/operator.ts';
import { retire, settledRing } from '../support/retiring.ts';

/* The secret keeps the records of 20 retired keys. AWS keeps up to a hundred versions without a label. */

beforeAll(giveCredentials);
afterEach(stopServices);

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** A ring whose keys 1 to 23 were retired, so that three of them have no record any more. */
async function longRetired(): Promise<TestRing> {
  const ring = await settledRing(...upTo(13), previous(14), current(15));
  await retire(ring, ...upTo(13));
  await ring.enableRotation();
  for (let round = 0; round < 10; round += 1) {
    await ring.rotate();
    await ring.service.advance(2 * DAY);
  }
  await retire(ring, ...upTo(23).slice(13));
  return ring;
}

interface Status {
  readonly versions: readonly { readonly versionId: string; readonly state: string }[];
  readonly notes: readonly { readonly code: string }[];
}

async function statusOf(ring: TestRing) {
  const { stdout } = await pazpazKeys(ring, ['status', '--json']);
  const { versions, notes } = (JSON.parse(stdout) as { result: Status }).result;
  return {
    stateOf: (number: number) => versions.find(({ versionId }) => versionId === ring.idOf(number))?.state,
    codes: notes.map(({ code }) => code),
  };
}

test('status asks for the rescue of no key that was retired, whose record is gone', async () => {
  const ring = await longRetired();
  const { stateOf, codes } = await statusOf(ring);
  expect([1, 2, 3, 4].map(stateOf)).toEqual(['retired', 'retired', 'retired', 'retired']);
  expect(codes).not.toContain('version-without-label');
});

test('a key that was rescued since, and then lost its label, is named', async () => {
  const ring = await longRetired();
  await pazpazKeys(ring, ['adopt', '--version-id', ring.idOf(2)]);
  const label = ring.labels['2'] ?? '';
  expect(label).toMatch(/^key-v\d+$/);
  const RemoveFromVersionId = ring.idOf(2);
  await ring.client.send(
    new UpdateSecretVersionStageCommand({ SecretId: SECRET, VersionStage: label, RemoveFromVersionId }),
  );
  const { stateOf, codes } = await statusOf(ring);
  expect([1, 2].map(stateOf)).toEqual(['retired', 'no label']);
  expect(codes).toContain('version-without-label');
});

test('a report says that these keys were retired, and that it does not know when', async () => {
  const ring = await longRetired();
  const folder = await mkdtemp(join(tmpdir(), 'evidence-'));
  await pazpazKeys(ring, ['evidence', '--no-rows', '--out', join(folder, 'report')]);
  const text = await readFile(join(folder, 'report', 'evidence.json'), 'utf8');
  await rm(folder, { recursive: true });
  const { unseen, verdict } = JSON.parse(text) as {
    readonly unseen: readonly { readonly what: string }[];
    readonly verdict: { readonly overdue: readonly { readonly code: string }[] };
  };
  const asked = unseen.map(({ what }) => what);
  expect(asked).toContain('when each of the keys 1-3 was retired');
  expect(asked.filter((what) => what.startsWith('what became of'))).toEqual([]);
  expect(verdict.overdue.map(({ code }) => code)).not.toContain('version-without-label');
});

test('the tag has no version that AWS has deleted, and as many others as AWS may keep', () => {
  const records = upTo(70).map((number): RetiredKey => ({
    number: toKeyNumber(number),
    versionId: token(number),
    date: '',
  }));
  const idsOf = (numbers: readonly number[]) => new Set(numbers.map(token));
  const tag = forgottenVersionsTag([], records.slice(0, 3), idsOf([1, 3]));
  expect([1, 2, 3].map((number) => isForgottenVersion([tag], token(number)))).toEqual([true, false, true]);
  const later = forgottenVersionsTag([tag], records.slice(3), idsOf(upTo(70).slice(2)));
  expect(later).toMatchObject({ Key: FORGOTTEN_VERSIONS });
  expect(later.Value).toHaveLength(256);
  expect([1, 6, 7, 70].map((number) => isForgottenVersion([later], token(number)))).toEqual([false, false, true, true]);
});
