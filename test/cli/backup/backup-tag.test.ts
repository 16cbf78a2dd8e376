import { TagResourceCommand } from '@aws-sdk/client-secrets-manager';
import { backupRecord, backupTag } from '../../../src/cli/backup/backup-tag.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, previous, ringWith, SECRET } from '../../support/ring.ts';
import { found } from '../support/examined.ts';
import { giveCredentials } from '../support/operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

test('a backup is remembered in a tag', () => {
  const record = { date: '2026-11-30T08:00:00.000Z', numbers: [1, 2, 17] };
  expect(backupRecord([{ Key: 'team', Value: 'x' }, backupTag(record)])).toEqual(record);
  expect(backupRecord([])).toBeUndefined();
});

test.each(['', 'yesterday 1 2', '2026-11-30T08:00:00.000Z 1 two', '2026-11-30T08:00:00.000Z  1', '1,2'])(
  'doctor says that a tag cannot be read: %j',
  async (Value) => {
    const ring = await ringWith(previous(1), current(2));
    await ring.enableRotation();
    const Tags = [{ Key: 'pazpaz:backup', Value }];
    await ring.client.send(new TagResourceCommand({ SecretId: SECRET, Tags }));
    const { codes, text } = await found(ring);
    expect(codes).toEqual(['not-in-backup']);
    expect(text).toContain('The tag pazpaz:backup cannot be read');
  },
);
