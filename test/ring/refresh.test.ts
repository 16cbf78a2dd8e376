import { readVarint } from '../../src/keyring/varint.ts';
import { errorOf } from '../keyring/error-of.ts';
import { closeRings, RingWorld } from './ring-world.ts';

afterEach(closeRings);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

test('steady load costs at most one description per time to live and no further value (C31)', async () => {
  const world = await RingWorld.withKeys(3);
  const ring = await world.open({ random: () => 1 });
  world.forgetCalls();
  for (let second = 0; second < 50 * 60; second += 10) {
    await ring.decryptField(ring.encryptField('note'));
    await world.clock.advance(10_000);
  }
  expect(world.calls).toEqual({ describe: 10, read: 0 });
});

test('within a time to live of an hour, ten minutes of load cost no call at all (C31)', async () => {
  const world = await RingWorld.withKeys(2);
  const ring = await world.open({ timeToLive: HOUR });
  world.forgetCalls();
  for (let second = 0; second < 600; second += 10) {
    await ring.decryptField(ring.encryptField('note'));
    await world.clock.advance(10_000);
  }
  expect(world.calls).toEqual({ describe: 0, read: 0 });
});

test('processes that start together do not refresh together', async () => {
  const world = await RingWorld.withKeys(1);
  await world.open({ random: () => 0 });
  await world.open({ random: () => 1 });
  world.forgetCalls();
  await world.clock.advance(4.5 * MINUTE);
  expect(world.calls.describe).toBe(1);
  await world.clock.advance(0.5 * MINUTE);
  expect(world.calls.describe).toBe(2);
});

test('after a rotation a function that was taken before writes under the new number (C21)', async () => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open({ timeToLive: 2000 });
  const { encryptField } = ring;
  expect(readVarint(encryptField('note'))).toBe(1);
  await world.rotate();
  await world.clock.advance(2000);
  expect(readVarint(encryptField('note'))).toBe(2);
  expect(readVarint(ring.encryptField('note'))).toBe(2);
});

test('a rotation costs one value', async () => {
  const world = await RingWorld.withKeys(1);
  await world.open();
  await world.rotate();
  world.forgetCalls();
  await world.clock.advance(5 * MINUTE);
  expect(world.calls).toEqual({ describe: 1, read: 1 });
});

test('a current key without a number writes number 0, and its number once it has one', async () => {
  const world = await RingWorld.withKeys(1);
  await world.unlabel('key-v1', 1);
  const ring = await world.open();
  const row = ring.encryptField('note');
  expect(readVarint(row)).toBe(0);
  await world.label('key-v1', 1);
  world.forgetCalls();
  await world.clock.advance(5 * MINUTE);
  expect(readVarint(ring.encryptField('note'))).toBe(1);
  expect(world.calls.read).toBe(0);
  expect(await ring.decryptField(row)).toBe('note');
});

test('a number that is attached between description and value counts at once', async () => {
  const world = await RingWorld.withKeys(1);
  await world.unlabel('key-v1', 1);
  const source = world.source();
  const ring = await world.open({
    source: {
      ...source,
      read: async (versionId, signal) => {
        await world.label('key-v1', 1);
        return source.read(versionId, signal);
      },
    },
  });
  expect(readVarint(ring.encryptField('note'))).toBe(1);
});

describe('where AWS does not answer', () => {
  test('it goes on with what it has, and logs so once a time to live, with the age (C21)', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    world.cutNetwork();
    await world.clock.advance(30 * MINUTE);
    expect(await ring.decryptField(ring.encryptField('note'))).toBe('note');
    const failures = world.events('key_ring_refresh_failed');
    expect(failures.map(({ age_seconds }) => age_seconds)).toEqual([285, 599, 912, 1226, 1539]);
    expect(failures[0]).toMatchObject({
      level: 'WARNING',
      secret_id: 'pazpaz/encryption-key-v1',
      code: 'CANNOT_REACH_AWS',
    });
    world.mendNetwork();
    await world.clock.advance(MINUTE);
    expect(world.events('key_ring_refreshed_again')).toHaveLength(1);
  });

  test('it asks again every half minute, not with every request', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    world.cutNetwork();
    await world.clock.advance(5 * MINUTE);
    world.forgetCalls();
    for (let second = 0; second < 300; second += 1) {
      await ring.decryptField(ring.encryptField('note'));
      await world.clock.advance(1000);
    }
    expect(world.calls.describe).toBeGreaterThanOrEqual(10);
    expect(world.calls.describe).toBeLessThanOrEqual(12);
  });

  test('a key that AWS has not confirmed for a day stops encrypting, and goes on decrypting', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    const row = ring.encryptField('note');
    world.cutNetwork();
    await world.clock.advance(24 * HOUR - 1);
    ring.encryptField('note');
    await world.clock.advance(1);
    const error = errorOf(() => ring.encryptField('note'));
    expect(error.code).toBe('KEY_TOO_OLD');
    expect(error.message).toContain('86400 seconds');
    expect(await ring.decryptField(row)).toBe('note');
    errorOf(() => ring.encryptField('note'));
    expect(world.events('encryption_stopped')).toHaveLength(1);
    world.mendNetwork();
    await world.clock.advance(MINUTE);
    expect(readVarint(ring.encryptField('note'))).toBe(1);
  });

  test('a wall clock that is set back does not make a key young, and neither does a sleep', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open({ maxKeyAge: HOUR });
    world.cutNetwork();
    await world.clock.advance(30 * MINUTE);
    world.clock.setWall(-10 * HOUR);
    await world.clock.advance(30 * MINUTE);
    expect(errorOf(() => ring.encryptField('note')).code).toBe('KEY_TOO_OLD');
  });

  test('a version that cannot be read while it becomes current leaves the old one encrypting', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    await world.rotate();
    world.service.faults.set({ kind: 'error', type: 'AccessDeniedException', operation: 'GetSecretValue' });
    await world.clock.advance(10 * MINUTE);
    expect(readVarint(ring.encryptField('note'))).toBe(1);
    expect(world.events('key_ring_refresh_failed')[0]).toMatchObject({ code: 'AWS_REFUSED' });
    world.mendNetwork();
    await world.clock.advance(MINUTE);
    expect(readVarint(ring.encryptField('note'))).toBe(2);
  });
});

test('a process that was frozen refreshes when it is used again', async () => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open();
  await world.rotate();
  world.clock.sleep(HOUR);
  expect(readVarint(ring.encryptField('note'))).toBe(1);
  await world.clock.advance(0);
  expect(readVarint(ring.encryptField('note'))).toBe(2);
});

test.each([
  [{ maxKeyAge: 24 * HOUR + 1 }],
  [{ maxKeyAge: 999 }],
  [{ timeToLive: 999 }],
  [{ timeToLive: Number.NaN }],
  [{ maxKeyAge: HOUR, timeToLive: HOUR + 1 }],
  [{ callTimeLimit: 0 }],
  [{ callTimeLimit: 60_001 }],
])('%j is refused', async (options) => {
  const world = await RingWorld.withKeys(1);
  await expect(world.open(options)).rejects.toMatchObject({ code: 'INVALID_SETTINGS' });
});

describe('a ring that is closed', () => {
  test('holds no timer, makes no call and fails with RING_CLOSED', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    const row = ring.encryptField('note');
    ring.close();
    ring.close();
    expect(world.clock.timers).toHaveLength(0);
    world.forgetCalls();
    await world.clock.advance(HOUR);
    expect(world.calls.describe).toBe(0);
    expect(errorOf(() => ring.encryptField('note')).code).toBe('RING_CLOSED');
    expect(errorOf(() => ring.decryptFieldSync(row)).code).toBe('RING_CLOSED');
    await expect(ring.decryptField(row)).rejects.toMatchObject({ code: 'RING_CLOSED' });
    await expect(ring.decryptBytes(row)).rejects.toMatchObject({ code: 'RING_CLOSED' });
  });

  test('ends calls that hang, at once', async () => {
    const world = await RingWorld.withKeys(2);
    const ring = await world.open();
    const signals: AbortSignal[] = [];
    const hanging = await world.open({
      source: {
        ...world.source(),
        read: (versionId, signal) => {
          if (versionId === world.versionIds.get(2)) return world.source().read(versionId, signal);
          signals.push(signal);
          return new Promise(() => undefined);
        },
      },
    });
    const row = Buffer.from(ring.encryptField('note'));
    row[0] = 1;
    const reading = hanging.decryptField(row);
    await world.clock.advance(0);
    hanging.close();
    await expect(reading).rejects.toMatchObject({ code: 'RING_CLOSED' });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    ring.close();
    expect(world.clock.timers).toHaveLength(0);
  });
});

test('the timer of an open ring does not keep the process from ending', async () => {
  const world = await RingWorld.withKeys(1);
  await world.open();
  expect(world.clock.timers.map(({ background }) => background)).toEqual([true]);
});

test('it counts what each key has encrypted', async () => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open();
  for (let count = 0; count < 3; count += 1) ring.encryptField('note');
  errorOf(() => ring.encryptField('\uD800'));
  await world.rotate();
  await world.clock.advance(10 * MINUTE);
  ring.encryptField('note');
  expect(ring.usage()).toEqual([
    { keyNumber: 1, versionId: world.versionIds.get(1), encryptions: 3 },
    { keyNumber: 2, versionId: world.versionIds.get(2), encryptions: 1 },
  ]);
});
