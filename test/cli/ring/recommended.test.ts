import { UpdateSecretVersionStageCommand } from '@aws-sdk/client-secrets-manager';
import { stopServices } from '../../local/support/running-service.ts';
import { DAY } from '../../local/support/state-machine.ts';
import { current, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { counting, giveCredentials, pazpazKeys } from '../support/operator.ts';

/* The end states that the exploration of small rings does not reach: rings without a free label. */

beforeAll(giveCredentials);
afterEach(stopServices);

/** The commands that an operator ran who followed `status`, a day apart, until it recommended none. */
async function followed(ring: TestRing): Promise<readonly string[]> {
  const ran: string[] = [];
  for (;;) {
    const { stdout } = await pazpazKeys(ring, ['status', '--json']);
    const { recommended } = (JSON.parse(stdout) as { result: { recommended?: string } }).result;
    if (recommended === undefined) return ran;
    ran.push(recommended);
    if (ran.length > 6) return ran;
    await ring.service.advance(DAY + 1000);
    await carryOut(ring, recommended);
  }
}

async function carryOut(ring: TestRing, line: string): Promise<void> {
  // The rows are counted by the test.
  const [program, ...args] = line.replace(' --columns columns.json', '').split(' ');
  if (program === 'pazpaz-keys') {
    const { exitCode, stderr } = await pazpazKeys(ring, [...args, '--yes'], { census: counting() });
    expect([exitCode, stderr]).toEqual([0, '']);
    return;
  }
  const [, VersionStage = '', RemoveFromVersionId = ''] =
    /^aws secretsmanager update-secret-version-stage .* --version-stage (\S+) --remove-from-version-id (\S+)$/.exec(
      line,
    ) ?? [];
  await ring.client.send(new UpdateSecretVersionStageCommand({ SecretId: SECRET, VersionStage, RemoveFromVersionId }));
}

test('the recommended commands lead from a ring full of keys to a healthy one, five at most', async () => {
  const older = Array.from({ length: 15 }, (_, index) => index + 1);
  const ring = await ringWith(...older, previous(16), current(17));
  await ring.enableRotation();
  expect(await followed(ring)).toEqual(
    [1, 2, 3, 4].map((number) => `pazpaz-keys retire ${number} --columns columns.json`),
  );
  expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
});

test('the recommended commands lead from a ring full of other labels to a healthy one, five at most', async () => {
  const ring = await ringWith(previous(1), current(2));
  await ring.enableRotation();
  for (let label = 1; label <= 15; label += 1) await ring.label(`other-${label}`, 1);
  expect(await followed(ring)).toHaveLength(4);
  expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
});

describe('the recommended commands lead from a full ring with AWSPENDING', () => {
  const older = Array.from({ length: 15 }, (_, index) => index + 1);
  const retired = [1, 2, 3, 4].map((number) => `pazpaz-keys retire ${number} --columns columns.json`);

  test.each([
    ['on the current key, whose rotation has finished', 17],
    ['on the previous key', 16],
    ['on an older key', 3],
  ])('%s', async (_, number) => {
    const ring = await ringWith(...older, previous(16), current(17));
    await ring.enableRotation();
    await ring.label('AWSPENDING', number);
    expect(await followed(ring)).toEqual(['pazpaz-keys rotate --clean-up', ...retired]);
    expect(ring.labels[17]).toBe('AWSCURRENT key-v17');
    expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
  });

  test('on a version without a value: the schedule has rotated, and was refused', async () => {
    const ring = await ringWith(...older, previous(16), current(17));
    await ring.begin();
    await expect(ring.step('createSecret')).rejects.toMatchObject({ code: 'RING_FULL' });
    // A clean-up would restart the 24 hours before a retirement, and is not needed.
    const { stdout } = await pazpazKeys(ring, ['status']);
    expect(stdout.replaceAll(/\s+/g, ' ')).toMatch(
      /its rotation was refused because no label is free.* pazpaz-keys retire 1 .* pazpaz-keys rotate --wait /,
    );
    await ring.service.advance(DAY + 1000);
    await carryOut(ring, retired[0] ?? '');
    expect(await pazpazKeys(ring, ['rotate', '--wait'])).toMatchObject({ exitCode: 0 });
    expect(await followed(ring)).toHaveLength(4);
    expect(await ring.rotate()).toMatchObject({ outcome: 'succeeded' });
  });
});

test('where rows of the oldest key are left, retire says what brings them over, and leads on', async () => {
  const older = Array.from({ length: 15 }, (_, index) => index + 1);
  const ring = await ringWith(...older, previous(16), current(17));
  await ring.enableRotation();
  await ring.service.advance(DAY + 1000);
  const refused = await pazpazKeys(ring, ['retire', '1', '--yes'], { census: counting({ rows: { 1: 3 } }) });
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain('pazpaz-keys reencrypt');
});
