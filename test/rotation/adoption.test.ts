import { CancelRotateSecretCommand, UpdateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { stopServices } from '../local/support/running-service.ts';
import { rejectionOf } from '../keyring/support/rejection-of.ts';
import {
  current,
  holding,
  keyOf,
  previous,
  ringWith,
  SECRET,
  type RingVersion,
  type TestRing,
} from '../support/ring.ts';

afterEach(stopServices);

const DAY = 86_400_000;

async function watched(...versions: readonly (RingVersion | number)[]): Promise<TestRing> {
  const ring = await ringWith(...versions);
  await ring.enableRotation();
  return ring;
}

describe('a change by hand', () => {
  test('by PutSecretValue: the new key gets a number, and so does the one it took the place of', async () => {
    const ring = await watched(current());
    await ring.put(keyOf(9).toString('base64'));
    expect(Object.values(ring.labels)).toEqual(['AWSPREVIOUS key-v1', 'AWSCURRENT key-v2']);
  });

  test('by UpdateSecret: the same', async () => {
    const ring = await watched(current());
    await ring.client.send(new UpdateSecretCommand({ SecretId: SECRET, SecretString: keyOf(9).toString('base64') }));
    await ring.service.idle();
    expect(Object.values(ring.labels)).toEqual(['AWSPREVIOUS key-v1', 'AWSCURRENT key-v2']);
  });

  test('by UpdateSecretVersionStage: the same', async () => {
    const ring = await ringWith(previous(), current());
    await ring.enableRotation();
    await ring.label('AWSCURRENT', 1);
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v2', 2: 'AWSPREVIOUS key-v1' });
  });

  test('is no news when the Lambda made it: a rotation sets off no adoption', async () => {
    const ring = await watched(current(1));
    await ring.rotate();
    expect(ring.events).not.toContain('key_ring_state');
  });

  test('of a value that is no key: it stays without a number', async () => {
    const ring = await watched(current(1));
    await ring.put('no key');
    expect(Object.values(ring.labels)).toEqual(['AWSPREVIOUS key-v1', 'AWSCURRENT']);
    expect(ring.events).toContain('unnumbered_version_is_not_a_key');
    expect(ring.reported).toMatchObject({ currentNumber: 0 });
  });
});

describe('an adoption', () => {
  test('asks for the state and for what it reports, and writes nothing where all are numbered', async () => {
    const ring = await watched(1, current(2));
    const before = ring.snapshot;
    await ring.tick();
    expect(ring.calls.map(({ operation }) => operation)).toEqual(['DescribeSecret', 'DescribeSecret']);
    expect(ring.snapshot).toBe(before);
  });

  test('of a secret without a value writes nothing, and says that no key is current', async () => {
    const ring = await watched();
    await ring.tick();
    expect(ring.writes).toEqual([]);
    expect(ring.reported).toMatchObject({ currentNumber: 0, freeSlots: 17, pending: 'none' });
  });

  test('of a full ring with an unnumbered current key fails with RING_FULL and no write', async () => {
    const ring = await watched(...Array.from({ length: 17 }, (_, index) => index + 1), current());
    const error = await rejectionOf(ring.tick());
    expect(error).toMatchObject({ code: 'RING_FULL' });
    expect(ring.writes).toEqual([]);
    expect(ring.log.at(-1)).toMatchObject({ event: 'adoption_failed', code: 'RING_FULL', reason: error.message });
  });

  test('runs on any event of EventBridge', async () => {
    const ring = await watched(current());
    await ring.send({ 'detail-type': 'AWS API Call via CloudTrail', detail: null });
    expect(ring.labels).toMatchObject({ 1: 'AWSCURRENT key-v1' });
  });

  test('beside a second one numbers each key once', async () => {
    const ring = await watched(previous(), current());
    await Promise.all([ring.tick(), ring.tick(), ring.tick()]);
    expect(ring.labels).toMatchObject({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT key-v2' });
  });

  test('in the middle of a rotation leaves the pending key alone', async () => {
    const ring = await ringWith(current());
    await ring.begin();
    await ring.step('createSecret');
    await ring.tick();
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v1', 2: 'AWSPENDING' });
    await ring.steps('setSecret', 'testSecret', 'finishSecret');
    expect(ring.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT AWSPENDING key-v2' });
  });
});

describe('key_ring_state', () => {
  test('ends every adoption', async () => {
    const ring = await watched(current());
    await ring.tick();
    expect(ring.events).toEqual([...ring.events.slice(0, -1), 'key_ring_state']);
    expect(ring.log.at(-1)).toEqual({
      event: 'key_ring_state',
      secretId: SECRET,
      freeSlots: 16,
      currentNumber: 1,
      daysSinceRotation: 0,
      daysOverdue: 0,
      rotationEnabled: true,
      pending: 'none',
    });
  });

  test('counts free slots without the labels of AWS, and with foreign ones', async () => {
    const ring = await watched(1, 2, current(3));
    await ring.label('mine', 1);
    await ring.tick();
    expect(ring.reported).toMatchObject({ freeSlots: 13, currentNumber: 3 });
  });

  test('counts none where labels are in the places of those of AWS: the metric filter takes no number below 0', async () => {
    const ring = await watched(...Array.from({ length: 16 }, (_, index) => index + 1), current(17));
    await ring.label('mine', 1);
    await ring.tick();
    expect(ring.reported).toMatchObject({ freeSlots: 0, currentNumber: 17 });
  });

  test('gives the lowest number of a key that has several', async () => {
    const ring = await watched(1, current(7));
    await ring.label('key-v5', 2);
    await ring.tick();
    expect(ring.reported).toMatchObject({ currentNumber: 5 });
  });

  test('says that a placeholder is pending after a refused attempt', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    await ring.tick();
    expect(ring.reported).toMatchObject({ pending: 'placeholder' });
    expect(ring.slept).toEqual([]);
  });

  test('says that a value is pending in the middle of a rotation', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    await ring.step('createSecret');
    await ring.tick();
    expect(ring.reported).toMatchObject({ pending: 'value' });
  });

  test('says that none is pending where AWSPENDING stayed beside AWSCURRENT', async () => {
    const ring = await ringWith(current(1));
    ring.service.setBehaviour({ pendingAfterSuccess: 'left' });
    await ring.rotate();
    await ring.tick();
    expect(ring.labels[2]).toBe('AWSCURRENT AWSPENDING key-v2');
    expect(ring.reported).toMatchObject({ pending: 'none' });
  });

  test('is left out when the pending version cannot be read: no line is better than a wrong one', async () => {
    const ring = await ringWith(current(1));
    await ring.begin();
    ring.service.faults.set({ kind: 'error', operation: 'GetSecretValue', type: 'DecryptionFailure' });
    await expect(ring.tick()).rejects.toMatchObject({ code: 'VERSION_UNREADABLE' });
    expect(ring.events).not.toContain('key_ring_state');
  });

  test('reports, before a first rotation, the days since the secret was made', async () => {
    const ring = await watched(current(1));
    await ring.service.advance(100.9 * DAY);
    await ring.tick();
    expect(ring.reported).toMatchObject({ daysSinceRotation: 100, daysOverdue: 0 });
  });

  describe('counts the days by which a rotation is late', () => {
    test.each([
      ['365 days, one day early', { AutomaticallyAfterDays: 365 }, 364, 0],
      ['365 days, on the day', { AutomaticallyAfterDays: 365 }, 365, 0],
      ['365 days, a day late', { AutomaticallyAfterDays: 365 }, 366, 1],
      ['rate(30 days), a day early', { ScheduleExpression: 'rate(30 days)' }, 29, 0],
      ['rate(30 days), 12 days late', { ScheduleExpression: 'rate(30 days)' }, 42, 12],
      ['cron, every Sunday, within the week', { ScheduleExpression: 'cron(0 0 ? * SUN *)' }, 1, 0],
    ])('%s', async (_, rules, days, daysOverdue) => {
      const ring = await ringWith(current(1));
      await ring.rotate({ RotationRules: rules });
      // A Lambda that is gone: the service's rotations change nothing.
      ring.lambda = 'fails';
      await ring.service.advance(days * DAY);
      await ring.tick();
      expect(ring.reported).toMatchObject({ daysSinceRotation: days, daysOverdue });
    });

    test.each([
      [12.5, 12],
      [0.5, 0],
      [-3, 0],
    ])('by the date that the service names, where it names no days: %d days ago', async (days, daysOverdue) => {
      const ring = await watched(current(1));
      const { secrets } = ring;
      ring.secrets = {
        ...secrets,
        describeSecret: async (input) => ({
          ...(await secrets.describeSecret(input)),
          RotationRules: { ScheduleExpression: 'rate(30 days)' },
          NextRotationDate: new Date(ring.service.clock.now() - days * DAY),
        }),
      };
      await ring.tick();
      expect(ring.reported).toMatchObject({ daysOverdue });
    });

    // AWS works out a number of days for cron() only after a rotation that succeeded, and drops the date with the rotation.
    test('C17: as none where rotation by cron() was turned off, so the line says that it is off', async () => {
      const ring = await watched(current(1));
      await ring.enableRotation({ ScheduleExpression: 'cron(0 3 1 2 ? *)' });
      const { secrets } = ring;
      ring.secrets = {
        ...secrets,
        describeSecret: async (input) => ({
          ...(await secrets.describeSecret(input)),
          RotationRules: { ScheduleExpression: 'cron(0 3 1 2 ? *)' },
        }),
      };
      await ring.tick();
      expect(ring.reported).toMatchObject({ rotationEnabled: true });

      await ring.client.send(new CancelRotateSecretCommand({ SecretId: SECRET }));
      await ring.service.advance(1000 * DAY);
      await ring.tick();
      expect(ring.reported).toMatchObject({ daysSinceRotation: 1000, daysOverdue: 0, rotationEnabled: false });
    });

    test('as none where there is neither a date nor a number of days', async () => {
      const ring = await ringWith(current(1));
      await ring.tick();
      expect(ring.reported).toMatchObject({ daysSinceRotation: 0, daysOverdue: 0, rotationEnabled: false });
    });
  });
});

test('a version of another number of bytes is reported by its id, and never shown', async () => {
  const value = Buffer.alloc(24, 'secret').toString('base64');
  const ring = await watched(holding(value, current()));
  await ring.tick();
  expect(ring.log).toContainEqual({
    event: 'unnumbered_version_is_not_a_key',
    versionId: ring.idOf(1),
    reason: expect.stringContaining('must be 32 bytes, got 24 bytes') as string,
  });
  expect(JSON.stringify(ring.log)).not.toContain(value);
});
