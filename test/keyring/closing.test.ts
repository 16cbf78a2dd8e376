import { randomBytes } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ApplicationEvent } from '../../src/keyring/application-log.ts';
import { encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import type { KeyRing } from '../../src/keyring/key-ring.ts';
import { errorOf } from '../format/support/error-of.ts';
import { settle } from './support/manual-clock.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(closeRings);

const HOUR = 3_600_000;

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

  test('still says how often each key has encrypted', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    ring.encryptField('note');
    const usage = ring.usage();
    ring.close();
    expect(ring.usage()).toEqual(usage);
    expect(ring.isFallenBack).toBe(false);
  });

  test('closes its connections, once', async () => {
    const world = await RingWorld.withKeys(1);
    const close = jest.fn();
    const ring = await world.open({ source: { ...world.source(), close } });
    expect(close).not.toHaveBeenCalled();
    ring.close();
    ring.close();
    expect(close).toHaveBeenCalledTimes(1);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('not open');
      },
    ],
    ['rejects', () => Promise.reject(new Error('not open'))],
  ])('is closed even where closing its connections %s', async (_how, close) => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open({ source: { ...world.source(), close } });
    ring.close();
    await settle();
    expect(errorOf(() => ring.encryptField('note')).code).toBe('RING_CLOSED');
    expect(world.clock.timers).toHaveLength(0);
  });

  test('whose opening fails closes its connections too', async () => {
    const world = await RingWorld.withKeys(1);
    world.cutNetwork();
    const close = jest.fn();
    await expect(world.open({ source: { ...world.source(), close } })).rejects.toThrow();
    expect(close).toHaveBeenCalledTimes(1);
  });
});

describe('a logger that closes the ring', () => {
  const ENVIRONMENT_KEY = KeyMaterial.fromBytes(randomBytes(32));

  test.each<[ApplicationEvent, KeyMaterial | undefined]>([
    ['key_ring_refresh_failed', undefined],
    ['key_ring_refreshed_again', undefined],
    ['encryption_stopped', undefined],
    ['encryption_key_fetched_from_aws', undefined],
    ['ring_key_unreadable', undefined],
    ['env_fallback_ended', ENVIRONMENT_KEY],
    ['env_key_not_on_ring', ENVIRONMENT_KEY],
  ])('at %s leaves no timer and makes no call afterwards', async (event, environmentKey) => {
    const world = await RingWorld.withKeys(1);
    const rings: KeyRing[] = [];
    let isLogged = false;
    if (environmentKey !== undefined) world.cutNetwork();
    const ring = await world.open(
      {
        logger: (entry) => {
          if (entry.event !== event || rings.length === 0) return;
          isLogged = true;
          rings[0]?.close();
        },
      },
      { environmentKey },
    );
    rings.push(ring);
    world.cutNetwork();
    await world.clock.advance(25 * HOUR);
    try {
      ring.encryptField('note');
    } catch {
      // Too old, or closed already.
    }
    world.mendNetwork();
    await world.rotate();
    if (event === 'ring_key_unreadable') world.cutNetwork('GetSecretValue');
    await world.clock.advance(HOUR);
    expect(isLogged).toBe(true);
    expect(world.clock.timers).toHaveLength(0);
    world.forgetCalls();
    await world.clock.advance(HOUR);
    expect(world.calls).toEqual({ describe: 0, read: 0 });
    expect(errorOf(() => ring.encryptField('note')).code).toBe('RING_CLOSED');
  });
});

test('a closed ring holds none of its keys any more, neither those of AWS nor the one of the environment', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const made: WeakRef<KeyMaterial>[] = [];
  const fromBytes = KeyMaterial.fromBytes.bind(KeyMaterial);
  KeyMaterial.fromBytes = (bytes) => {
    const key = fromBytes(bytes);
    made.push(new WeakRef(key));
    return key;
  };
  try {
    const world = await RingWorld.withKeys(3);
    const ring = await openAndUse(world);
    await settle();
    collectGarbage();
    const held = made.filter((key) => key.deref() !== undefined).length;
    expect(held).toBeGreaterThanOrEqual(4);
    ring.close();
    await settle();
    collectGarbage();
    expect(made.filter((key) => key.deref() !== undefined)).toHaveLength(0);
    expect(ring.usage()).toHaveLength(1);
  } finally {
    KeyMaterial.fromBytes = fromBytes;
  }
});

/** In a function of its own, so that no variable of the test holds a key. */
async function openAndUse(world: RingWorld): Promise<KeyRing> {
  const ring = await world.open({}, { environmentKey: KeyMaterial.fromBytes(randomBytes(32)) });
  for (const number of [1, 2, 3]) {
    const row = encryptField('note', world.keyOf(number), '', { number: toKeyNumber(number) });
    expect(await ring.decryptField(row)).toBe('note');
  }
  ring.encryptField('note');
  return ring;
}
