import { encryptField } from '../../src/format/field.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(closeRings);

const NOTE = 'Patient has diabetes';
const ENVIRONMENT_KEY = KeyMaterial.fromBytes(Buffer.alloc(32, 7));

function rowUnder(world: RingWorld, number: number): Buffer {
  return encryptField(NOTE, world.material(number), '', { number: toKeyNumber(number) });
}

describe('warm', () => {
  test('fetches every key, so that no synchronous read fails', async () => {
    const world = await RingWorld.withKeys(17);
    const ring = await world.open();
    world.forgetCalls();
    const { keys } = await ring.warm();
    expect(world.calls).toEqual({ describe: 0, read: 16 });
    expect(keys.map(({ number, isCached }) => [number, isCached])).toEqual(
      Array.from({ length: 17 }, (_, index) => [index + 1, true]),
    );
    for (let number = 1; number <= 17; number += 1) expect(ring.decryptFieldSync(rowUnder(world, number))).toBe(NOTE);
  });

  test('fetches the keys that a later refresh shows, too', async () => {
    const world = await RingWorld.withKeys(2);
    const ring = await world.open();
    await ring.warm();
    await world.addKey();
    await world.clock.advance(300_000);
    expect(ring.decryptFieldSync(rowUnder(world, 3))).toBe(NOTE);
  });

  test('leaves out a key that cannot be read, and says why', async () => {
    const world = await RingWorld.withKeys(3);
    const ring = await world.open();
    world.hangNetwork('GetSecretValue', world.versionIds.get(1));
    const { keys, lastError } = await world.clock.settled(ring.warm());
    expect(keys).toMatchObject([
      { number: 1, isCached: false, error: { code: 'CANNOT_REACH_AWS' } },
      { number: 2, isCached: true },
      { number: 3, isCached: true, isCurrent: true },
    ]);
    expect(lastError).toBeUndefined();
  });

  test('asks for the labels first where opening had to fall back', async () => {
    const world = await RingWorld.withKeys(2);
    world.settings = { ...world.settings, environmentKey: ENVIRONMENT_KEY };
    world.cutNetwork();
    const ring = await world.open();
    expect(await world.clock.settled(ring.warm())).toMatchObject({
      canEncrypt: true,
      lastError: { code: 'CANNOT_REACH_AWS' },
    });
    world.mendNetwork();
    expect((await ring.warm()).keys.filter(({ isCached }) => isCached)).toHaveLength(3);
  });

  test('rejects once the ring is closed', async () => {
    const ring = await (await RingWorld.withKeys(1)).open();
    ring.close();
    await expect(ring.warm()).rejects.toMatchObject({ code: 'RING_CLOSED' });
  });
});

describe('health', () => {
  test('shows the current number, its age and every key, as plain data and without a call', async () => {
    const world = await RingWorld.withKeys(2);
    const ring = await world.open();
    await world.clock.advance(61_500);
    world.forgetCalls();
    const health = ring.health();
    expect(world.calls).toEqual({ describe: 0, read: 0 });
    expect(JSON.parse(JSON.stringify(health))).toEqual({
      canEncrypt: true,
      currentNumber: 2,
      ageSeconds: 61,
      keys: [
        { number: 1, versionId: world.versionIds.get(1), isCurrent: false, isCached: false },
        { number: 2, versionId: world.versionIds.get(2), isCurrent: true, isCached: true },
      ],
    });
  });

  test('keeps the last error until AWS answers, and says when nothing can be encrypted', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open({ maxKeyAge: 600_000 });
    world.cutNetwork();
    await world.clock.advance(599_000);
    expect(ring.health()).toMatchObject({ canEncrypt: true, lastError: { code: 'CANNOT_REACH_AWS' } });
    await world.clock.advance(1000);
    expect(ring.health()).toMatchObject({ canEncrypt: false, ageSeconds: 600, currentNumber: 1 });
    world.mendNetwork();
    await world.clock.advance(60_000);
    expect(ring.health().canEncrypt).toBe(true);
    expect(ring.health()).not.toHaveProperty('lastError');
  });

  test('of a ring with a key of the environment alone', async () => {
    const ring = await KeyRing.open({
      keySource: 'environment',
      environment: 'local',
      environmentKey: ENVIRONMENT_KEY,
    });
    const expected = { canEncrypt: true, currentNumber: 0, keys: [{ number: 0, isCurrent: true, isCached: true }] };
    expect(ring.health()).toEqual(expected);
    expect(await ring.warm()).toEqual(expected);
    ring.close();
  });

  test('of a closed ring says so, and throws nothing', async () => {
    const ring = await (await RingWorld.withKeys(1)).open();
    ring.close();
    expect(ring.health()).toMatchObject({ canEncrypt: false, keys: [], lastError: { code: 'RING_CLOSED' } });
  });
});
