import { PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import type { NoteCode } from '../../../src/cli/status/note.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { runStatus } from '../../../src/cli/commands/status.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { DAY, HOUR } from '../../local/support/state-machine.ts';
import { current, keyOf, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { counting, giveCredentials, numbers, operatorOf, pazpazKeys, spell } from '../support/operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

const status = (ring: TestRing) => runStatus(operatorOf(ring).deps);

async function notes(ring: TestRing): Promise<readonly NoteCode[]> {
  return (await status(ring)).notes.map(({ code }) => code);
}

/** A ring on which rotation is on, and which has nothing to say. */
async function quietRing(): Promise<TestRing> {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.enableRotation();
  return ring;
}

describe('status', () => {
  test('shows each version with its number, labels, dates and state', async () => {
    const ring = await quietRing();
    const { versions, currentNumber, slots } = await status(ring);
    expect(versions.map(({ number, labels, state }) => [number, labels.join(' '), state])).toEqual([
      [1, 'key-v1', 'reads'],
      [2, 'key-v2 AWSPREVIOUS', 'previous'],
      [3, 'key-v3 AWSCURRENT', 'current'],
    ]);
    expect(versions[0]).toMatchObject({ versionId: ring.idOf(1), created: expect.stringMatching(/^\d{4}-/) as string });
    expect({ currentNumber, slots }).toEqual({ currentNumber: 3, slots: { free: 14, of: 17 } });
  });

  test('shows the schedule, the last and the next rotation', async () => {
    const ring = await ringWith(current(1));
    await ring.rotate();
    await ring.service.advance(10 * DAY);
    expect((await status(ring)).rotation).toMatchObject({
      isEnabled: true,
      schedule: 'every 365 days',
      daysSinceLast: 10,
      daysOverdue: 0,
      pending: 'none',
      next: expect.stringMatching(/^\d{4}-/) as string,
    });
  });

  test('reads no value of a ring on which no rotation is under way', async () => {
    const ring = await quietRing();
    ring.service.calls.clear();
    await status(ring);
    expect(ring.service.calls.counts).toEqual({ DescribeSecret: 1, ListSecretVersionIds: 1 });
  });

  test('sees every version, however many pages there are', async () => {
    const ring = await quietRing();
    for (let put = 1; put <= 120; put += 1) await ring.put(keyOf(put + 100).toString('base64'), undefined, ['mine']);
    ring.service.setBehaviour({ unlabelledVersions: 'kept' });
    expect((await status(ring)).versions.length).toBeGreaterThan(100);
  });
});

describe('status says what is under way or unfinished, and with which command it goes on', () => {
  test('nothing, on a healthy ring', async () => {
    expect(await notes(await quietRing())).toEqual([]);
  });

  test('a secret without a value', async () => {
    expect(await notes(await ringWith())).toEqual(['no-current-key', 'rotation-off']);
  });

  test('a rotation that was refused, one that is under way, and one that was cancelled', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.begin();
    expect(await notes(ring)).toEqual(['rotation-refused']);
    await ring.step('createSecret');
    expect(await notes(ring)).toEqual(['rotation-under-way']);
    await ring.client.send(
      new (await import('@aws-sdk/client-secrets-manager')).CancelRotateSecretCommand({ SecretId: SECRET }),
    );
    expect(await notes(ring)).toEqual(['rotation-left-over', 'rotation-off']);
  });

  test('keys in use without a number', async () => {
    const ring = await ringWith(previous(), current());
    const { notes: all } = await status(ring);
    expect(all.filter(({ code }) => code === 'unnumbered-key')).toHaveLength(2);
    expect(all[0]?.next.map(spell)).toEqual(['pazpaz-keys adopt']);
  });

  test('a key that is arriving', async () => {
    const ring = await quietRing();
    await ring.put(keyOf(9).toString('base64'), undefined, ['key-incoming']);
    await ring.client.send(
      new PutSecretValueCommand({
        SecretId: SECRET,
        SecretString: keyOf(9).toString('base64'),
        VersionStages: ['key-incoming'],
      }),
    );
    expect(await notes(ring)).toContain('key-arriving');
  });

  test('a version that lost its last label, with the command that rescues it', async () => {
    const ring = await ringWith(current(1));
    for (const place of [21, 22, 23]) await ring.put(keyOf(place).toString('base64'));
    const note = (await status(ring)).notes.find(({ code }) => code === 'version-without-label');
    expect(note?.next.map(spell)).toEqual([`pazpaz-keys adopt --version-id ${ring.idOf(2)}`]);
  });

  test('a retired key as long as AWS has it, and a retirement that broke off', async () => {
    const ring = await quietRing();
    await ring.service.advance(25 * HOUR);
    await runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(1) });
    expect(await notes(ring)).toEqual(['restorable']);
    await ring.label('key-v1', 1);
    expect(await notes(ring)).toEqual(['retirement-unfinished']);
    const { stdout } = await pazpazKeys(ring, ['status', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ result: { recommended: 'pazpaz-keys restore 1' } });
    expect((await pazpazKeys(ring, ['status'])).stdout).toContain('If in doubt: pazpaz-keys restore 1\n');
  });

  test('recommends to end a rotation whose key was left on purpose: it cannot finish', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.enableRotation();
    ring.lambda = 'does nothing';
    await ring.label('AWSPENDING', 1);
    const { notes: all } = await status(ring);
    expect(all.map(({ code, next }) => [code, next.map(spell)])).toEqual([
      ['rotation-left-over', ['pazpaz-keys rotate --clean-up']],
    ]);
  });

  test('recommends nothing for a secret without a key, which may replace a lost one', async () => {
    const ring = await ringWith();
    const [note] = (await status(ring)).notes;
    expect(note?.next.map(spell)).toEqual(['pazpaz-keys restore-ring FILE']);
    await ring.enableRotation();
    ring.lambda = 'does nothing';
    const { stdout } = await pazpazKeys(ring, ['status', '--json']);
    expect(JSON.parse(stdout)).not.toHaveProperty('result.recommended');
  });

  test('recommends nothing where nothing is wrong', async () => {
    const { stdout } = await pazpazKeys(await quietRing(), ['status', '--json']);
    expect(JSON.parse(stdout)).not.toHaveProperty('result.recommended');
  });

  test('a ring that is nearly full, and one that is full', async () => {
    const ring = await quietRing();
    for (let label = 1; label <= 11; label += 1) await ring.label(`foreign-${label}`, 1);
    expect(await notes(ring)).toEqual(['ring-nearly-full']);
    for (let label = 12; label <= 14; label += 1) await ring.label(`foreign-${label}`, 1);
    expect(await notes(ring)).toEqual(['ring-full']);
  });

  test('a ring full of other labels, and not to retire keys that cannot be retired', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.enableRotation();
    for (let label = 1; label <= 15; label += 1) await ring.label(`other-${label}`, 1);
    const [note] = (await status(ring)).notes;
    expect(note).toMatchObject({
      code: 'ring-full',
      text: expect.stringContaining('15 labels are not the ring') as string,
    });
    expect(note?.next.map(spell)).toEqual([
      `aws secretsmanager update-secret-version-stage --secret-id ${SECRET} --version-stage other-1 --remove-from-version-id ${ring.idOf(1)}`,
    ]);
  });

  test('a key that only a label of others keeps, as what it is', async () => {
    const ring = await quietRing();
    await ring.put(keyOf(21).toString('base64'), undefined, ['backup']);
    const all = (await status(ring)).notes;
    expect(all).toMatchObject([
      { code: 'foreign-label-only', weight: 'notice', text: expect.stringContaining('(backup)') as string },
    ]);
    expect(all[0]?.next.map(spell)).toEqual([`pazpaz-keys adopt --version-id ${ring.idOf(4)}`]);
    expect((await pazpazKeys(ring, ['doctor'])).stdout).not.toContain(ring.idOf(4));
  });

  test('C17: a rotation that is late', async () => {
    const ring = await quietRing();
    ring.lambda = 'fails';
    await ring.service.advance(400 * DAY);
    const { notes: all, rotation } = await status(ring);
    expect(rotation.daysOverdue).toBe(35);
    expect(all.map(({ code }) => code)).toContain('rotation-overdue');
  });

  test('a current key that is older than its schedule, although the last rotation was in time', async () => {
    const ring = await quietRing();
    await ring.service.advance(300 * DAY);
    await ring.rotate();
    await ring.service.advance(100 * DAY);
    expect((await status(ring)).notes.map(({ code }) => code)).not.toContain('rotation-overdue');
    await pazpazKeys(ring, ['rollback', '--yes']);
    const { notes: all, rotation } = await status(ring);
    expect(rotation).toMatchObject({ daysOverdue: 0, daysOfOldKey: 400 });
    expect(all).toContainEqual(
      expect.objectContaining({
        code: 'rotation-overdue',
        text: 'The current key is 400 days old, which is more than its schedule allows (every 365 days).',
      }),
    );
  });

  test('of a secret that never rotated, without a day of its last rotation', async () => {
    const ring = await ringWith(previous(1), current(2));
    await ring.enableRotation();
    const { stdout } = await pazpazKeys(ring, ['doctor']);
    expect(stdout).toContain('schedule, no rotation yet, AWSPENDING');
    expect(stdout).not.toContain('last rotation');
  });

  test('of a single day, as one', async () => {
    const ring = await quietRing();
    await ring.rotate();
    ring.lambda = 'does nothing';
    await ring.service.advance(DAY);
    expect((await pazpazKeys(ring, ['status'])).stdout).toContain(', 1 day ago\n');
    ring.lambda = 'fails';
    await ring.service.advance(365 * DAY);
    const all = await status(ring);
    expect(all.notes.map(({ text }) => text)).toContain('The rotation is 1 day late; the last one was 366 days ago.');
    expect((await pazpazKeys(ring, ['doctor'])).stdout).toContain('The rotation is 1 day late');
  });
});
