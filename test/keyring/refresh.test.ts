import { encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';
import { readVarint } from '../../src/format/varint.ts';
import { errorOf } from '../format/support/error-of.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

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

test("twenty tasks that start at once, and read rows of three keys for an hour, stay below the guide's alarm (C31)", async () => {
  const world = await RingWorld.withKeys(3);
  const rows = [1, 2, 3].map((number) =>
    encryptField('note', world.material(number), 'a', { number: toKeyNumber(number) }),
  );
  world.forgetCalls();
  const tasks = await Promise.all(Array.from({ length: 20 }, () => world.open({ random: Math.random })));
  for (let minute = 0; minute < 60; minute += 1) {
    const requests = tasks.flatMap((ring) => rows.map((row) => ring.decryptField(row, 'a')));
    expect(new Set(await Promise.all(requests))).toEqual(new Set(['note']));
    await world.clock.advance(MINUTE);
  }
  // EncryptionKeyAccess > 100 in an hour.
  expect(world.calls.read).toBe(60);
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
  test('it continues with what it has, and logs so once a time to live, with the age (C21)', async () => {
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

  test('a machine that slept has an old key, though its monotonic clock stood still', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open({ maxKeyAge: HOUR });
    world.cutNetwork();
    world.clock.suspend(HOUR);
    expect(errorOf(() => ring.encryptField('note')).code).toBe('KEY_TOO_OLD');
  });

  test('a wall clock that is set back does not make a key young', async () => {
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

describe('a process that slept for longer than a key may encrypt', () => {
  test('can wait until AWS has confirmed the key, and no outage is logged', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    await world.rotate();
    world.clock.sleep(25 * HOUR);
    const error = errorOf(() => ring.encryptField('note'));
    expect(error.code).toBe('KEY_TOO_OLD');
    expect(error.message).toContain('await ring.refresh()');
    await ring.refresh();
    expect(readVarint(ring.encryptField('note'))).toBe(2);
    expect(world.events('encryption_stopped')).toEqual([]);
  });

  test('logs no outage for a refresh that failed before it slept', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    world.cutNetwork();
    await world.clock.advance(5 * MINUTE);
    world.mendNetwork();
    world.clock.sleep(25 * HOUR);
    expect(errorOf(() => ring.encryptField('note')).code).toBe('KEY_TOO_OLD');
    await ring.refresh();
    expect(readVarint(ring.encryptField('note'))).toBe(1);
    expect(world.events('encryption_stopped')).toEqual([]);
  });

  test('logs that encrypting stopped as soon as AWS was asked in vain, and once', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    world.cutNetwork();
    world.clock.sleep(25 * HOUR);
    errorOf(() => ring.encryptField('note'));
    expect(world.events('encryption_stopped')).toEqual([]);
    await expect(ring.refresh()).rejects.toMatchObject({ code: 'CANNOT_REACH_AWS' });
    for (let count = 0; count < 3; count += 1) errorOf(() => ring.encryptField('note'));
    expect(world.events('encryption_stopped')).toMatchObject([{ level: 'ERROR', age_seconds: 90_000, key_number: 1 }]);
  });
});

describe('refresh', () => {
  test('asks AWS once, however many wait for it', async () => {
    const world = await RingWorld.withKeys(1);
    const { refresh, encryptField } = await world.open();
    await world.rotate();
    world.forgetCalls();
    await Promise.all(Array.from({ length: 50 }, () => refresh()));
    expect(world.calls).toEqual({ describe: 1, read: 1 });
    expect(readVarint(encryptField('note'))).toBe(2);
  });

  test('ends a fallback as soon as AWS answers', async () => {
    const world = await RingWorld.withKeys(1);
    world.cutNetwork();
    const ring = await world.open({}, { environmentKey: KeyMaterial.fromBytes(new Uint8Array(32)) });
    expect(ring.isFallenBack).toBe(true);
    world.mendNetwork();
    await ring.refresh();
    expect(ring.isFallenBack).toBe(false);
  });

  test('has nothing to do where the key is the environment’s alone, and is refused by a closed ring', async () => {
    const ring = await KeyRing.open({
      keySource: 'environment',
      environment: 'local',
      environmentKey: KeyMaterial.fromBytes(new Uint8Array(32)),
    });
    await ring.refresh();
    ring.close();
    await expect(ring.refresh()).rejects.toMatchObject({ code: 'RING_CLOSED' });
  });
});

test.each([
  [{ timeToLive: 24 * HOUR, maxKeyAge: 24 * HOUR }],
  [{ timeToLive: 1000, maxKeyAge: 1000 }],
  [{ timeToLive: 5000, maxKeyAge: 5000, random: () => 0.8 }],
])('a key that AWS confirms in time is never too old: %j', async (options) => {
  const world = await RingWorld.withKeys(1);
  const source = world.source();
  const slow = async <T>(call: () => Promise<T>): Promise<T> => {
    await new Promise<void>((resolve) => world.clock.schedule(resolve, 200, true));
    return call();
  };
  let isSlow = false;
  const ring = await world.open({
    random: () => 1,
    ...options,
    source: {
      ...source,
      describe: (signal) => (isSlow ? slow(() => source.describe(signal)) : source.describe(signal)),
    },
  });
  isSlow = true;
  for (let step = 0; step < 300; step += 1) {
    ring.encryptField('note');
    await world.clock.advance(options.maxKeyAge / 100);
  }
  expect(world.events('encryption_stopped')).toEqual([]);
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
