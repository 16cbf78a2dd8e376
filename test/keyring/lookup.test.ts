import { randomBytes } from 'node:crypto';
import { encryptField } from '../../src/format/field.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { readVarint } from '../../src/format/varint.ts';
import { errorOf } from '../format/support/error-of.ts';
import { rejectionOf } from './support/rejection-of.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(closeRings);

const NOTE = 'Patient has diabetes';
const CONTEXT = 'patients:7:note';

/** A row as a process wrote it that knew this key by its number. */
function rowUnder(world: RingWorld, number: number, context = CONTEXT): Buffer {
  return encryptField(NOTE, world.material(number), context, { number: toKeyNumber(number) });
}

/** A row under a number that may not exist. */
function forged(number: number): Buffer {
  return encryptField(NOTE, randomBytes(32), CONTEXT, { number: toKeyNumber(number) });
}

function flipped(row: Buffer): Buffer {
  const copy = Buffer.from(row);
  copy[copy.length - 1] = (copy[copy.length - 1] ?? 0) ^ 1;
  return copy;
}

describe('a row under another key of the ring', () => {
  test('is read with one call, however many ask at once (C31)', async () => {
    const world = await RingWorld.withKeys(3);
    const ring = await world.open();
    const row = rowUnder(world, 1);
    world.forgetCalls();
    const texts = await Promise.all(Array.from({ length: 500 }, () => ring.decryptField(row, CONTEXT)));
    expect(new Set(texts)).toEqual(new Set([NOTE]));
    expect(world.calls).toEqual({ describe: 0, read: 1 });
  });

  test('is read with one description and one value where the rotation came after the last look (C22)', async () => {
    const world = await RingWorld.withKeys(1);
    const reader = await world.open();
    await world.rotate();
    const row = (await world.open()).encryptField(NOTE, CONTEXT);
    world.forgetCalls();
    const texts = await Promise.all(Array.from({ length: 500 }, () => reader.decryptField(row, CONTEXT)));
    expect(new Set(texts)).toEqual(new Set([NOTE]));
    expect(world.calls).toEqual({ describe: 1, read: 1 });
  });

  test('is unavailable while AWS is down, and read when it is back (C22)', async () => {
    const world = await RingWorld.withKeys(1);
    const reader = await world.open();
    await world.rotate();
    const row = (await world.open()).encryptField(NOTE, CONTEXT);
    world.cutNetwork();
    const error = await rejectionOf(reader.decryptField(row, CONTEXT));
    expect(error.code).toBe('KEY_UNAVAILABLE');
    expect(error.message).toContain('key number 2');
    world.mendNetwork();
    await world.clock.advance(3000);
    // The first row after an outage has AWS asked again, and does not wait for what may hang.
    await reader.decryptField(row, CONTEXT).catch(() => undefined);
    await world.clock.advance(0);
    expect(await reader.decryptField(row, CONTEXT)).toBe(NOTE);
  });

  test('is not cached for the synchronous form at first, and is a moment later', async () => {
    const world = await RingWorld.withKeys(2);
    const ring = await world.open();
    const row = rowUnder(world, 1);
    expect(errorOf(() => ring.decryptFieldSync(row, CONTEXT)).code).toBe('KEY_UNAVAILABLE');
    await world.clock.advance(0);
    expect(ring.decryptFieldSync(row, CONTEXT)).toBe(NOTE);
  });

  test('is found even where its number moved to another version by hand', async () => {
    const world = await RingWorld.withKeys(2);
    const ring = await world.open();
    const row = rowUnder(world, 1);
    await world.unlabel('key-v1', 1);
    await world.label('key-v1', 2);
    await world.clock.advance(5 * 60_000);
    expect(await ring.decryptField(row, CONTEXT)).toBe(NOTE);
  });
});

describe('a number whose label was moved by hand', () => {
  test('to a version that is not cached names that version from the next refresh on', async () => {
    const world = await RingWorld.withKeys(3);
    const strict = await world.open({ legacy: false });
    expect(await strict.decryptField(rowUnder(world, 2), CONTEXT)).toBe(NOTE);
    await world.unlabel('key-v2', 2);
    await world.label('key-v2', 1);
    await world.clock.advance(5 * 60_000);
    const row = encryptField(NOTE, world.material(1), CONTEXT, { number: toKeyNumber(2) });
    world.forgetCalls();
    for (const written of [rowUnder(world, 2), row, rowUnder(world, 2)]) {
      expect(await strict.decryptField(written, CONTEXT)).toBe(NOTE);
    }
    expect(world.calls).toEqual({ describe: 0, read: 1 });
  });

  test('or taken away is written by no ring any more, a running one included', async () => {
    const world = await RingWorld.withKeys(2);
    const ring = await world.open();
    await world.unlabel('key-v2', 2);
    await world.clock.advance(5 * 60_000);
    expect(readVarint(ring.encryptField(NOTE))).toBe(0);
    await world.label('key-v2', 1);
    await world.clock.advance(5 * 60_000);
    expect(readVarint(ring.encryptField(NOTE))).toBe(0);
    expect(readVarint((await world.open()).encryptField(NOTE))).toBe(0);
    await world.unlabel('key-v2', 1);
    await world.label('key-v2', 2);
    await world.clock.advance(5 * 60_000);
    expect(readVarint(ring.encryptField(NOTE))).toBe(2);
  });
});

describe('the synchronous form', () => {
  test('says of a tampered row what it is, though a value of the ring is no key', async () => {
    const world = await RingWorld.withKeys(1);
    await world.rotate(randomBytes(24).toString('base64'));
    await world.rotate();
    const ring = await world.open();
    const row = flipped(rowUnder(world, 3));
    expect(errorOf(() => ring.decryptFieldSync(row, CONTEXT)).code).toBe('KEY_UNAVAILABLE');
    await world.clock.advance(0);
    for (const wait of [0, 10_000, 60 * 60_000]) {
      await world.clock.advance(wait);
      world.forgetCalls();
      expect(errorOf(() => ring.decryptFieldSync(row, CONTEXT)).code).toBe('TAMPERED_OR_WRONG_CONTEXT');
      await world.clock.advance(0);
      expect(world.calls).toEqual({ describe: 0, read: 0 });
    }
    const own = errorOf(() => ring.decryptFieldSync(rowUnder(world, 2), CONTEXT));
    expect(own.code).toBe('INVALID_KEY_VALUE');
  });

  test('opens a row that a cached key sealed under another number, as the other form does', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    await rejectionOf(ring.decryptField(forged(77), CONTEXT));
    const row = encryptField(NOTE, world.material(1), CONTEXT, { number: toKeyNumber(77) });
    expect(ring.decryptFieldSync(row, CONTEXT)).toBe(NOTE);
    expect(await ring.decryptField(row, CONTEXT)).toBe(NOTE);
  });

  test('says no more than unavailable of a number off the ring while AWS does not answer', async () => {
    const world = await RingWorld.withKeys(3);
    await world.unlabel('key-v1', 1);
    const ring = await world.open();
    const row = rowUnder(world, 1);
    expect((await rejectionOf(ring.decryptField(row, CONTEXT))).code).toBe('KEY_RETIRED');
    world.cutNetwork();
    await world.clock.advance(3500);
    expect((await rejectionOf(ring.decryptField(row, CONTEXT))).code).toBe('KEY_UNAVAILABLE');
    expect(errorOf(() => ring.decryptFieldSync(row, CONTEXT)).code).toBe('KEY_UNAVAILABLE');
  });
});

describe('the four failures have four codes (C26)', () => {
  test.each([
    ['a flipped bit', 'TAMPERED_OR_WRONG_CONTEXT', (world: RingWorld) => flipped(rowUnder(world, 3))],
    ['another row', 'TAMPERED_OR_WRONG_CONTEXT', (world: RingWorld) => rowUnder(world, 3, 'patients:8:note')],
    ['number 99', 'KEY_NEVER_ISSUED', () => forged(99)],
    ['a retired number', 'KEY_RETIRED', (world: RingWorld) => rowUnder(world, 1)],
  ])('%s: %s', async (_what, code, row) => {
    const world = await RingWorld.withKeys(3);
    await world.unlabel('key-v1', 1);
    const ring = await world.open();
    const bytes = row(world);
    const error = await rejectionOf(ring.decryptField(bytes, CONTEXT));
    expect(error.code).toBe(code);
    expect(error.cause).toBeUndefined();
    expect((await rejectionOf(ring.decryptBytes(bytes, CONTEXT))).code).toBe(code);
    expect(await ring.decryptFields([{ bytes, context: CONTEXT }])).toMatchObject([{ error: { code } }]);
    const sync = errorOf(() => ring.decryptFieldSync(bytes, CONTEXT));
    // Without asking AWS no one knows of a number that was not there at the last look.
    expect(sync.code).toBe(code);
  });

  test('number 2 with AWS down: KEY_UNAVAILABLE', async () => {
    const world = await RingWorld.withKeys(3);
    const ring = await world.open();
    world.cutNetwork();
    expect((await rejectionOf(ring.decryptField(rowUnder(world, 2), CONTEXT))).code).toBe('KEY_UNAVAILABLE');
  });

  test('a flipped bit stays a flipped bit while AWS is down, if every key of the ring is at hand', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    world.cutNetwork();
    const row = flipped(rowUnder(world, 1));
    await world.clock.advance(3000);
    expect((await rejectionOf(ring.decryptField(row, CONTEXT))).code).toBe('TAMPERED_OR_WRONG_CONTEXT');
  });

  test('a flipped bit is no more than unavailable while a key that could have written older data cannot be read', async () => {
    const world = await RingWorld.withKeys(2);
    const ring = await world.open();
    const strict = await world.open({ legacy: false });
    world.cutNetwork();
    const row = flipped(rowUnder(world, 2));
    expect((await rejectionOf(ring.decryptField(row, CONTEXT))).code).toBe('KEY_UNAVAILABLE');
    expect((await rejectionOf(strict.decryptField(row, CONTEXT))).code).toBe('TAMPERED_OR_WRONG_CONTEXT');
  });

  test('a number above the highest is unavailable in the region of a replica', async () => {
    const world = await RingWorld.withKeys(1);
    const source = world.source();
    const ring = await world.open({
      source: {
        ...source,
        describe: async (signal) => ({ ...(await source.describe(signal)), PrimaryRegion: 'eu-west-1' }),
      },
    });
    expect((await rejectionOf(ring.decryptField(forged(2), CONTEXT))).code).toBe('KEY_UNAVAILABLE');
  });

  test('a key whose value is no key is named, and the others go on (C27)', async () => {
    const world = await RingWorld.withKeys(1);
    await world.rotate(randomBytes(24).toString('base64'));
    await world.rotate();
    const ring = await world.open();
    for (const number of [1, 3]) expect(await ring.decryptField(rowUnder(world, number), CONTEXT)).toBe(NOTE);
    const error = await rejectionOf(ring.decryptField(rowUnder(world, 2), CONTEXT));
    expect(error.code).toBe('INVALID_KEY_VALUE');
    expect(error.message).toMatch(/Key 2 .*must be 32 bytes, got 24 bytes/);
    expect((await rejectionOf(ring.decryptField(flipped(rowUnder(world, 3)), CONTEXT))).code).toBe(
      'TAMPERED_OR_WRONG_CONTEXT',
    );
  });

  test.each([1, 4, 8, 12])('a row whose last %i bytes were cut off does not open, in any form (C28)', async (cut) => {
    const world = await RingWorld.withKeys(2);
    const ring = await world.open();
    for (const number of [1, 2]) {
      const bytes = rowUnder(world, number).subarray(0, -cut);
      const codes = [
        (await rejectionOf(ring.decryptField(bytes, CONTEXT))).code,
        (await rejectionOf(ring.decryptBytes(bytes, CONTEXT))).code,
        errorOf(() => ring.decryptFieldSync(bytes, CONTEXT)).code,
      ];
      expect(new Set(codes)).toEqual(new Set(['TAMPERED_OR_WRONG_CONTEXT']));
    }
  });

  test.each([0, 27])('%i bytes are too short, before AWS is asked', async (length) => {
    const world = await RingWorld.withKeys(2);
    const ring = await world.open();
    world.forgetCalls();
    expect((await rejectionOf(ring.decryptField(Buffer.alloc(length)))).code).toBe('INVALID_CIPHERTEXT');
    expect(world.calls).toEqual({ describe: 0, read: 0 });
  });
});

describe('rows that no one can read', () => {
  test('with forged numbers cost at most one description in three seconds', async () => {
    const world = await RingWorld.withKeys(2);
    const ring = await world.open();
    world.forgetCalls();
    const rejections: Promise<unknown>[] = [];
    for (let second = 0; second < 60; second += 1) {
      for (let row = 0; row < 10; row += 1) {
        const number = 100 + second * 10 + row;
        rejections.push(rejectionOf(ring.decryptField(forged(number), CONTEXT)));
      }
      await world.clock.advance(1000);
    }
    await world.clock.advance(10_000);
    const codes = (await Promise.all(rejections)).map((error) => (error as { code?: string }).code);
    expect(new Set(codes)).toEqual(new Set(['KEY_NEVER_ISSUED']));
    expect(world.calls.describe).toBeLessThanOrEqual(22);
    expect(world.calls.read).toBe(1);
  });

  test('are answered from memory for a bounded time, and a refresh that shows the number clears it', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    const row = forged(3);
    expect((await rejectionOf(ring.decryptField(row, CONTEXT))).code).toBe('KEY_NEVER_ISSUED');
    world.forgetCalls();
    expect(await world.clock.timeOf(rejectionOf(ring.decryptField(row, CONTEXT)))).toBe(0);
    expect(world.calls.describe).toBe(0);
    await world.rotate();
    await world.rotate();
    const real = rowUnder(world, 3);
    await world.clock.advance(5 * 60_000);
    expect(await ring.decryptField(real, CONTEXT)).toBe(NOTE);
  });

  test('are looked for again after ten seconds, though AWS was asked for another row just now', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    await rejectionOf(ring.decryptField(forged(50), CONTEXT));
    await world.clock.advance(9000);
    const other = rejectionOf(ring.decryptField(forged(60), CONTEXT));
    await world.clock.advance(0);
    await other;
    world.forgetCalls();
    await world.clock.advance(500);
    expect(await world.clock.timeOf(rejectionOf(ring.decryptField(forged(50), CONTEXT)))).toBe(0);
    await world.clock.advance(600);
    expect(await world.clock.timeOf(rejectionOf(ring.decryptField(forged(50), CONTEXT)))).toBeGreaterThan(1000);
    expect(world.calls.describe).toBe(1);
  });

  test('fill no memory: after a thousand numbers the first is not known any more', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    const numbers = Array.from({ length: 1001 }, (_, index) => index + 100);
    const rejections = Promise.all(numbers.map((number) => rejectionOf(ring.decryptField(forged(number), CONTEXT))));
    await world.clock.advance(500);
    await rejections;
    expect(await world.clock.timeOf(rejectionOf(ring.decryptField(forged(1100), CONTEXT)))).toBe(0);
    expect(await world.clock.timeOf(rejectionOf(ring.decryptField(forged(100), CONTEXT)))).toBeGreaterThan(0);
  });

  test('a number that came into being during a storm of forged ones is found, within its turn', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    const forgedRow = rejectionOf(ring.decryptField(forged(50), CONTEXT));
    await world.clock.advance(500);
    await forgedRow;
    await world.rotate();
    const reading = ring.decryptField(rowUnder(world, 2), CONTEXT);
    await world.clock.advance(3000);
    expect(await reading).toBe(NOTE);
  });

  test('while AWS is down cost at most one call in three seconds, and no one waits for the next', async () => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    world.cutNetwork();
    world.forgetCalls();
    for (let row = 0; row < 100; row += 1) {
      expect((await rejectionOf(ring.decryptField(forged(row + 2), CONTEXT))).code).toBe('KEY_UNAVAILABLE');
    }
    expect(world.calls.describe).toBe(1);
  });

  test('tampered ones under a known key cost no call once all keys are at hand', async () => {
    const world = await RingWorld.withKeys(3);
    const ring = await world.open();
    world.forgetCalls();
    for (let row = 0; row < 50; row += 1) {
      await rejectionOf(ring.decryptField(flipped(rowUnder(world, 3)), CONTEXT));
    }
    expect(world.calls).toEqual({ describe: 0, read: 2 });
  });
});
