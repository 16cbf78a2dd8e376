import { TagResourceCommand } from '@aws-sdk/client-secrets-manager';
import { backupTag } from '../../../src/cli/backup/backup-tag.ts';
import { runAdopt } from '../../../src/cli/commands/adopt.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { SECRET, type TestRing } from '../../support/ring.ts';
import { checkOf, found, healthyRing } from '../support/examined.ts';
import { giveCredentials, operatorOf, pazpazKeys } from '../support/operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

/** A healthy ring of keys 1 to 3, whose last backup has these keys. */
async function backedUp(...numbers: readonly number[]): Promise<TestRing> {
  const ring = await healthyRing();
  const Tags = [backupTag({ date: new Date(ring.service.clock.now()).toISOString(), numbers })];
  await ring.client.send(new TagResourceCommand({ SecretId: SECRET, Tags }));
  return ring;
}

async function lost(ring: TestRing): Promise<readonly string[]> {
  const { notes } = await runStatus(operatorOf(ring).deps);
  return notes.filter(({ code }) => code === 'key-lost').map(({ text }) => text);
}

describe('a key of the last backup that has neither a version nor a record of a retirement', () => {
  test('is found by status and doctor, which name restore-ring', async () => {
    const ring = await backedUp(1, 2, 3);
    ring.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    await ring.detach('key-v1');
    expect(await lost(ring)).toEqual([
      expect.stringMatching(
        /^Key 1 is in the last backup, and has neither a version nor a record of a retirement/,
      ) as string,
    ]);
    const { codes, text, checks } = await found(ring);
    expect(codes).toEqual(['version-without-label']);
    expect(checkOf(checks, 'version-without-label').findings).toHaveLength(1);
    expect(text).toContain('\npazpaz-keys restore-ring FILE');
    expect((await pazpazKeys(ring, ['status'])).stdout).toContain('pazpaz-keys restore-ring FILE');
    const { stderr } = await pazpazKeys(ring, ['restore', '1']);
    expect(stderr).toContain('restore-ring');
  });

  test('is not called lost while AWS has its version, nor once adopt has numbered that again', async () => {
    const ring = await backedUp(1, 2, 3);
    ring.service.setBehaviour({ unlabelledVersions: 'kept' });
    await ring.detach('key-v1');
    expect(await lost(ring)).toEqual([]);
    expect((await found(ring)).text).toContain('pazpaz-keys adopt --version-id');
    await runAdopt(operatorOf(ring).deps, { versionId: ring.idOf(1) });
    expect(await lost(ring)).toEqual([]);
  });

  test('is no number that a person has taken off the newest key', async () => {
    const ring = await backedUp(1, 2, 3, 999_999_999);
    ring.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    expect(await lost(ring)).toEqual([]);
  });

  test('is not a retired one, nor any of a ring whose backup has not seen it', async () => {
    const ring = await backedUp(1, 2, 3);
    ring.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    await ring.service.advance(25 * HOUR);
    await pazpazKeys(ring, ['retire', '1', '--force', '--confirm', '1']);
    expect(ring.labels).not.toHaveProperty('1', 'key-v1');
    expect(await lost(ring)).toEqual([]);
    const other = await backedUp(2, 3);
    other.service.setBehaviour({ unlabelledVersions: 'deleted-at-once' });
    await other.detach('key-v1');
    expect(await lost(other)).toEqual([]);
  });
});
