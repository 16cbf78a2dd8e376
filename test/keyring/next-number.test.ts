import { randomBytes } from 'node:crypto';
import { encryptField } from '../../src/format/field.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { errorOf } from '../format/support/error-of.ts';
import { rejectionOf } from './support/rejection-of.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(closeRings);

const NOTE = 'Patient has diabetes';
const CONTEXT = 'patients:7:note';

/** A row as a process wrote it that knew this key by its number. */
function rowUnder(world: RingWorld, number: number): Buffer {
  return encryptField(NOTE, world.material(number), CONTEXT, { number: toKeyNumber(number) });
}

/** A row under a number that may not exist. */
function forged(number: number): Buffer {
  return encryptField(NOTE, randomBytes(32), CONTEXT, { number: toKeyNumber(number) });
}

describe('rows of the number that the next rotation gives', () => {
  test('are not never issued on the word of an old description', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    await rejectionOf(ring.decryptField(forged(2), CONTEXT));
    expect(errorOf(() => ring.decryptFieldSync(forged(2), CONTEXT)).code).toBe('KEY_UNAVAILABLE');
    await world.rotate();
    const row = rowUnder(world, 2);
    await world.clock.advance(3000);
    expect(errorOf(() => ring.decryptFieldSync(row, CONTEXT)).code).toBe('KEY_UNAVAILABLE');
    await world.clock.advance(0);
    expect(ring.decryptFieldSync(row, CONTEXT)).toBe(NOTE);
  });

  test('do not make the first rows of the next key never issued', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    await rejectionOf(ring.decryptField(forged(2), CONTEXT));
    await world.clock.advance(200);
    await world.rotate();
    const row = (await world.open()).encryptField(NOTE, CONTEXT);
    world.forgetCalls();
    const readings = Promise.all(Array.from({ length: 100 }, () => ring.decryptField(row, CONTEXT)));
    expect(await world.clock.timeOf(readings)).toBeLessThanOrEqual(3000);
    expect(new Set(await readings)).toEqual(new Set([NOTE]));
    expect(world.calls).toEqual({ describe: 1, read: 1 });
  });

  test('each wait for one description, and no longer', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    await rejectionOf(ring.decryptField(forged(2), CONTEXT));
    for (let row = 0; row < 3; row += 1) {
      const rejection = rejectionOf(ring.decryptField(forged(2), CONTEXT));
      expect(await world.clock.timeOf(rejection)).toBeLessThanOrEqual(3000);
      expect((await rejection).code).toBe('KEY_UNAVAILABLE');
    }
  });

  test('are never issued thirty seconds after each came, and not before', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    const row = forged(2);
    for (let second = 0; second < 30; second += 5) {
      expect((await rejectionOf(world.clock.settled(ring.decryptField(row, CONTEXT)))).code).toBe('KEY_UNAVAILABLE');
      await world.clock.advance(5000);
    }
    expect((await rejectionOf(world.clock.settled(ring.decryptField(row, CONTEXT)))).code).toBe('KEY_NEVER_ISSUED');
    expect(errorOf(() => ring.decryptFieldSync(row, CONTEXT)).code).toBe('KEY_NEVER_ISSUED');
    const other = rejectionOf(world.clock.settled(ring.decryptField(forged(2), CONTEXT)));
    expect((await other).code).toBe('KEY_UNAVAILABLE');
  });

  test.each([1, 4])('of a key that was just made are read once a description shows it, %i rows later', async (rows) => {
    const world = await RingWorld.withKeys(1);
    const lagging = { isLagging: false, seen: {} };
    const source = world.source();
    const describe = async (signal: AbortSignal) => {
      if (!lagging.isLagging) lagging.seen = await source.describe(signal);
      return lagging.seen;
    };
    const ring = await world.open({ source: { ...source, describe } });
    lagging.isLagging = true;
    await world.rotate();
    for (let row = 0; row < rows; row += 1) {
      const rejection = rejectionOf(world.clock.settled(ring.decryptField(rowUnder(world, 2), CONTEXT)));
      expect((await rejection).code).toBe('KEY_UNAVAILABLE');
      await world.clock.advance(7000);
    }
    lagging.isLagging = false;
    expect(await world.clock.settled(ring.decryptField(rowUnder(world, 2), CONTEXT))).toBe(NOTE);
  });

  test('are remembered for a thousand rows, and then the oldest is not', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    const rows = Array.from({ length: 1001 }, () => forged(2));
    const all = () => world.clock.settled(ring.decryptFields(rows.map((bytes) => ({ bytes, context: CONTEXT }))));
    await all();
    await world.clock.advance(40_000);
    expect((await all())[0]).toMatchObject({ error: { code: 'KEY_UNAVAILABLE' } });
  });
});
