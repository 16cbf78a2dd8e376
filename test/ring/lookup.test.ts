import { randomBytes } from 'node:crypto';
import { encryptField } from '../../src/keyring/field.ts';
import { toKeyNumber } from '../../src/keyring/key-number.ts';
import { errorOf } from '../keyring/error-of.ts';
import { rejectionOf } from './rejection-of.ts';
import { closeRings, RingWorld } from './ring-world.ts';

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
    expect(await reader.decryptField(row, CONTEXT)).toBe(NOTE);
  });

  test('is not at hand for the synchronous form at first, and is a moment later', async () => {
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
    // Without asking AWS nobody knows of a number that was not there at the last look.
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

  test.each([0, 27])('%i bytes are too short, before AWS is asked', async (length) => {
    const world = await RingWorld.withKeys(2);
    const ring = await world.open();
    world.forgetCalls();
    expect((await rejectionOf(ring.decryptField(Buffer.alloc(length)))).code).toBe('INVALID_CIPHERTEXT');
    expect(world.calls).toEqual({ describe: 0, read: 0 });
  });
});

describe('rows that nobody can read', () => {
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
    const writer = await world.open();
    const row = forged(2);
    expect((await rejectionOf(ring.decryptField(row, CONTEXT))).code).toBe('KEY_NEVER_ISSUED');
    world.forgetCalls();
    expect((await rejectionOf(ring.decryptField(row, CONTEXT))).code).toBe('KEY_NEVER_ISSUED');
    expect(world.calls.describe).toBe(0);
    await world.rotate();
    const real = rowUnder(world, 2);
    await world.clock.advance(5 * 60_000);
    expect(await ring.decryptField(real, CONTEXT)).toBe(NOTE);
    expect(writer.usage()).toEqual([]);
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

  test('while AWS is down cost at most one call in three seconds, and nobody waits for the next', async () => {
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

test('a batch gives every text in its order, and the error of the one that has none', async () => {
  const world = await RingWorld.withKeys(3);
  const ring = await world.open();
  const answers = await ring.decryptFields([
    { bytes: rowUnder(world, 1), context: CONTEXT },
    { bytes: flipped(rowUnder(world, 2)), context: CONTEXT },
    { bytes: rowUnder(world, 3), context: CONTEXT },
    { bytes: ring.encryptField('') },
  ]);
  expect(answers).toMatchObject([
    { text: NOTE },
    { error: { code: 'TAMPERED_OR_WRONG_CONTEXT' } },
    { text: NOTE },
    { text: '' },
  ]);
});
