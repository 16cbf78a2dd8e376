import { jest } from '@jest/globals';
import { KeyRing } from '../../src/keyring/key-ring.ts';
import { USAGE_LIMITS } from '../../src/keyring/telemetry/key-usage.ts';
import type { RingInstrument, RingObservation } from '../../src/keyring/telemetry/ring-meter.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { errorOf } from '../format/support/error-of.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(() => {
  jest.restoreAllMocks();
  closeRings();
});

const DAY = 24 * 3_600_000;

function encrypt(ring: KeyRing, times: number): void {
  for (let time = 0; time < times; time += 1) ring.encryptField('a');
}

function usageLines(world: RingWorld): readonly unknown[] {
  return world.log
    .filter(({ event }) => event === 'key_usage')
    .map((line) => [line['key_number'], line['encryptions'], line['encryptions_added']]);
}

test('the limits are those of the page: 2^28 and 2^32', () => {
  expect(USAGE_LIMITS).toEqual({ firstReport: 268_435_456, last: 4_294_967_296 });
});

describe('the log tells how often a key has encrypted', () => {
  test('at the first limit and at each doubling, with what was added', async () => {
    jest.replaceProperty(USAGE_LIMITS, 'firstReport', 4);
    const world = await RingWorld.withKeys(2);
    encrypt(await world.open(), 17);
    expect(usageLines(world)).toEqual([
      [2, 4, 4],
      [2, 8, 4],
      [2, 16, 8],
    ]);
    expect(world.log.find(({ event }) => event === 'key_usage')).toMatchObject({
      level: 'INFO',
      version_id: world.versionIds.get(2),
      environment: 'staging',
      secret_id: world.settings.secretId,
    });
  });

  test('once a day, and for each key on its own', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    encrypt(ring, 1500);
    await world.rotate();
    await world.clock.advance(300_000);
    encrypt(ring, 2000);
    await world.clock.advance(DAY + 300_000);
    encrypt(ring, 1000);
    await world.clock.advance(DAY + 300_000);
    expect(usageLines(world)).toEqual([
      [1, 1500, 1500],
      [2, 2000, 2000],
      [2, 3000, 1000],
    ]);
  });

  test('when the ring is closed, and not for fewer than a thousand', async () => {
    const world = await RingWorld.withKeys(1);
    const [busy, idle] = [await world.open(), await world.open()];
    encrypt(busy, 1000);
    encrypt(idle, 999);
    busy.close();
    idle.close();
    expect(usageLines(world)).toEqual([[1, 1000, 1000]]);
    expect(busy.usage()).toEqual([{ keyNumber: 1, versionId: world.versionIds.get(1), encryptions: 1000 }]);
  });

  test('of the key of the environment, too', async () => {
    const world = await RingWorld.withKeys(1);
    const environmentKey = KeyMaterial.fromBytes(Buffer.alloc(32, 7));
    const settings = { keySource: 'environment', environment: 'local', environmentKey } as const;
    const ring = await KeyRing.open(settings, { logger: (entry) => world.log.push(entry) });
    encrypt(ring, 1000);
    ring.close();
    expect(usageLines(world)).toEqual([[0, 1000, 1000]]);
    expect(world.log[0]).not.toHaveProperty('version_id');
  });
});

describe('at 2^32 in one process', () => {
  test('encryption stops with its own code, and a new key goes on', async () => {
    jest.replaceProperty(USAGE_LIMITS, 'firstReport', 4);
    jest.replaceProperty(USAGE_LIMITS, 'last', 16);
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    encrypt(ring, 15);
    const last = ring.encryptField('last');
    const error = errorOf(() => ring.encryptField('a'));
    expect([error.code, error.message]).toEqual(['KEY_EXHAUSTED', expect.stringContaining('Rotate the key now')]);
    expect(errorOf(() => ring.encryptField('a')).code).toBe('KEY_EXHAUSTED');
    expect(ring.health().canEncrypt).toBe(false);
    expect(world.log.filter(({ event }) => event === 'key_exhausted')).toHaveLength(1);
    expect(ring.decryptFieldSync(last)).toBe('last');
    await world.rotate();
    await ring.refresh();
    encrypt(ring, 3);
    expect(ring.health().canEncrypt).toBe(true);
    expect(ring.usage().map(({ encryptions }) => encryptions)).toEqual([16, 3]);
  });
});

describe('a meter', () => {
  type Callback = (result: RingObservation) => void;

  /** As OpenTelemetry's `Meter`, with what its instruments were given. */
  class Meter {
    readonly callbacks = new Map<string, Set<Callback>>();

    readonly createObservableCounter = (name: string): RingInstrument => this.#instrument(name);
    readonly createObservableGauge = (name: string): RingInstrument => this.#instrument(name);

    collect(): readonly unknown[] {
      const seen: unknown[] = [];
      for (const [name, callbacks] of this.callbacks) {
        for (const callback of callbacks) {
          callback({ observe: (value, attributes) => seen.push([name, value, attributes]) });
        }
      }
      return seen;
    }

    #instrument(name: string): RingInstrument {
      const callbacks = new Set<Callback>();
      this.callbacks.set(name, callbacks);
      return {
        addCallback: (callback) => callbacks.add(callback),
        removeCallback: (callback) => callbacks.delete(callback),
      };
    }
  }

  test('measures the encryptions of each key and the age of the current one, until the ring is closed', async () => {
    const world = await RingWorld.withKeys(1);
    const meter = new Meter();
    const ring = await world.open({ meter });
    encrypt(ring, 3);
    await world.clock.advance(30_000);
    expect(meter.collect()).toEqual([
      ['pazpaz.key.encryptions', 3, { key_number: 1, version_id: world.versionIds.get(1) }],
      ['pazpaz.key.age', 30, { key_number: 1 }],
    ]);
    ring.close();
    expect(meter.collect()).toEqual([]);
  });

  test('that fails does the ring no harm', async () => {
    const world = await RingWorld.withKeys(1);
    const fails = (): never => {
      throw new Error('no meter');
    };
    const ring = await world.open({ meter: { createObservableCounter: fails, createObservableGauge: fails } });
    encrypt(ring, 1);
    ring.close();
  });
});
