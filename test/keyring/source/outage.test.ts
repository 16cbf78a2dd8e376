import { randomBytes } from 'node:crypto';
import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { TimedCalls } from '../../../src/keyring/source/call-timeout.ts';
import { OLD_FORMS } from '../../format/support/old-application.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { closeRings, RingWorld } from '../support/ring-world.ts';

afterEach(closeRings);

const NOTE = 'Patient has diabetes';
const CONTEXT = 'patients:7:note';
const TIME_LIMIT = 5000;

/** A row under a number of the ring, or one that only says so. */
function rowUnder(world: RingWorld, number: number, key = world.keyOf(number)): Buffer {
  return encryptField(NOTE, key, CONTEXT, { number: toKeyNumber(number) });
}

function forged(world: RingWorld, number: number): Buffer {
  return rowUnder(world, number, randomBytes(32));
}

/** Data from before this system whose first byte is no number of the ring. */
function olderRow(world: RingWorld, number: number): Buffer {
  const nonce = randomBytes(12).fill(0, 0, 1);
  return OLD_FORMS['nonce, ciphertext, tag'](NOTE, { key: world.keyOf(number), nonce });
}

describe.each<[string, 'GetSecretValue' | undefined]>([
  ['every call hangs', undefined],
  ['every read of a value hangs', 'GetSecretValue'],
])('with 17 keys, where %s', (_what, operation) => {
  test.each([
    ['a row of a key that is not at hand', (world: RingWorld) => rowUnder(world, 2)],
    ['older data', (world: RingWorld) => olderRow(world, 2)],
    ['a tampered row', (world: RingWorld) => forged(world, 17)],
    ['a row with a number that no one knows', (world: RingWorld) => forged(world, 99)],
  ])('%s waits for one time limit at most, and five more together for another', async (_row, row) => {
    const world = await RingWorld.withKeys(17);
    const ring = await world.open();
    await world.clock.advance(10_000);
    world.hangNetwork(operation);
    const first = rejectionOf(ring.decryptField(row(world), CONTEXT));
    expect(await world.clock.timeOf(first)).toBeLessThanOrEqual(TIME_LIMIT);
    expect((await first).code).toBe('KEY_UNAVAILABLE');
    let others = 0;
    for (let count = 0; count < 5; count += 1) {
      const next = rejectionOf(ring.decryptField(row(world), CONTEXT));
      others += await world.clock.timeOf(next);
      expect((await next).code).toBe('KEY_UNAVAILABLE');
    }
    expect(others).toBeLessThanOrEqual(TIME_LIMIT);
  });
});

test('a version that hung is let be for a whole time limit, counted from its end', async () => {
  const world = await RingWorld.withKeys(2);
  const ring = await world.open();
  world.hangNetwork();
  const row = rowUnder(world, 1);
  const first = rejectionOf(ring.decryptField(row, CONTEXT));
  expect(await world.clock.timeOf(first)).toBe(TIME_LIMIT);
  world.forgetCalls();
  for (let wait = 0; wait < TIME_LIMIT; wait += 1000) {
    expect(await world.clock.timeOf(rejectionOf(ring.decryptField(row, CONTEXT)))).toBe(0);
    await world.clock.advance(900);
  }
  expect(world.calls.read).toBe(0);
  await world.clock.advance(600);
  const again = rejectionOf(ring.decryptField(row, CONTEXT));
  expect(await world.clock.timeOf(again)).toBe(TIME_LIMIT);
  expect(world.calls.read).toBe(1);
});

test('a version that fails at once is not read again for a second, however short the time limit is', async () => {
  const world = await RingWorld.withKeys(2);
  const ring = await world.open({ callTimeLimit: 100 });
  world.cutNetwork('GetSecretValue');
  const row = rowUnder(world, 1);
  world.forgetCalls();
  for (const reads of [1, 1, 2]) {
    expect((await rejectionOf(ring.decryptField(row, CONTEXT))).code).toBe('KEY_UNAVAILABLE');
    expect(world.calls.read).toBe(reads);
    await world.clock.advance(500);
  }
});

test('a row that needs every key has six read at a time, and the rest not where none of six can be reached', async () => {
  const world = await RingWorld.withKeys(17);
  const ring = await world.open();
  world.cutNetwork('GetSecretValue');
  world.forgetCalls();
  expect((await rejectionOf(ring.decryptField(olderRow(world, 1), CONTEXT))).code).toBe('KEY_UNAVAILABLE');
  expect(world.calls.read).toBe(6);
});

test('one version that hangs hides no row of another key', async () => {
  const world = await RingWorld.withKeys(17);
  const ring = await world.open();
  world.hangNetwork('GetSecretValue', world.versionIds.get(2));
  for (const number of [1, 3]) {
    const reading = ring.decryptField(olderRow(world, number), CONTEXT);
    expect(await world.clock.timeOf(reading)).toBe(0);
    expect(await reading).toBe(NOTE);
  }
  // In a later round than the one that hangs: found by the time its own is given up, or by the next row.
  const row = olderRow(world, 12);
  await world.clock.timeOf(rejectionOf(ring.decryptField(row, CONTEXT)).catch(() => undefined));
  expect(await ring.decryptField(row, CONTEXT)).toBe(NOTE);
});

test('a row that waits in vain is opened all the same by a key that came to hand for another row', async () => {
  const world = await RingWorld.withKeys(17);
  const ring = await world.open();
  world.hangNetwork('GetSecretValue', world.versionIds.get(2));
  const waiting = ring.decryptField(olderRow(world, 12), CONTEXT);
  await world.clock.advance(1000);
  expect(await ring.decryptField(rowUnder(world, 12), CONTEXT)).toBe(NOTE);
  expect(await world.clock.timeOf(waiting)).toBe(TIME_LIMIT - 1000);
  expect(await waiting).toBe(NOTE);
});

test('where each value takes two seconds, what one row has read helps the next', async () => {
  const world = await RingWorld.withKeys(17);
  const source = world.source();
  let isSlow = false;
  let together = 0;
  let most = 0;
  const ring = await world.open({
    source: {
      ...source,
      read: async (versionId, signal) => {
        together += 1;
        most = Math.max(most, together);
        if (isSlow) await new Promise<void>((resolve) => world.clock.schedule(resolve, 2000, true));
        together -= 1;
        return source.read(versionId, signal);
      },
    },
  });
  isSlow = true;
  const row = olderRow(world, 16);
  const first = rejectionOf(ring.decryptField(row, CONTEXT));
  expect(await world.clock.timeOf(first)).toBe(TIME_LIMIT);
  expect((await first).code).toBe('KEY_UNAVAILABLE');
  await world.clock.advance(1000);
  const second = ring.decryptField(row, CONTEXT);
  expect(await world.clock.timeOf(second)).toBe(0);
  expect(await second).toBe(NOTE);
  expect(most).toBe(6);
});

describe('in an outage that hangs, with the whole ring at hand', () => {
  async function outage(): Promise<{ world: RingWorld; ring: Awaited<ReturnType<RingWorld['open']>> }> {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    await world.clock.advance(10_000);
    world.hangNetwork();
    return { world, ring };
  }

  test('only the first row waits; then no one does (C22)', async () => {
    const { world, ring } = await outage();
    const tampered = forged(world, 1);
    const first = rejectionOf(ring.decryptField(tampered, CONTEXT));
    expect(await world.clock.timeOf(first)).toBeLessThanOrEqual(TIME_LIMIT);
    expect((await first).code).toBe('TAMPERED_OR_WRONG_CONTEXT');
    for (let second = 0; second < 60; second += 1) {
      const rows = [rejectionOf(ring.decryptField(tampered, CONTEXT))];
      rows.push(rejectionOf(ring.decryptField(forged(world, 50 + second), CONTEXT)));
      expect(await world.clock.timeOf(Promise.all(rows))).toBe(0);
      expect((await Promise.all(rows)).map(({ code }) => code)).toEqual([
        'TAMPERED_OR_WRONG_CONTEXT',
        'KEY_UNAVAILABLE',
      ]);
      await world.clock.advance(1000);
    }
  });

  test('AWS is asked three seconds after it was given up, not at once', async () => {
    const { world, ring } = await outage();
    const tampered = forged(world, 1);
    await world.clock.timeOf(rejectionOf(ring.decryptField(tampered, CONTEXT)));
    world.forgetCalls();
    for (let time = 0; time < 80_000; time += 100) {
      await rejectionOf(ring.decryptField(tampered, CONTEXT));
      await world.clock.advance(100);
    }
    // Five seconds until a call is given up, and three until the next.
    expect(world.calls.describe).toBeGreaterThanOrEqual(9);
    expect(world.calls.describe).toBeLessThanOrEqual(11);
  });

  test('rows are distinguished again as soon as AWS answers', async () => {
    const { world, ring } = await outage();
    await world.clock.timeOf(rejectionOf(ring.decryptField(forged(world, 50), CONTEXT)));
    world.mendNetwork();
    await world.clock.advance(3000);
    await rejectionOf(ring.decryptField(forged(world, 50), CONTEXT));
    await world.clock.advance(0);
    const later = rejectionOf(ring.decryptField(forged(world, 50), CONTEXT));
    await world.clock.timeOf(later);
    expect((await later).code).toBe('KEY_NEVER_ISSUED');
  });
});

test('a row that waits for its turn while the ring is closed leaves no timer behind', async () => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open();
  await world.rotate();
  world.hangNetwork('GetSecretValue');
  world.clock.sleep(5 * 60_000);
  ring.encryptField(NOTE);
  await world.clock.advance(100);
  const rejection = rejectionOf(ring.decryptField(forged(world, 9), CONTEXT));
  await world.clock.advance(0);
  ring.close();
  await world.clock.advance(0);
  expect(world.clock.timers).toHaveLength(0);
  expect((await rejection).code).toBe('RING_CLOSED');
});

test('calls that are asked for after a close are refused, and wait for nothing', async () => {
  const world = await RingWorld.withKeys(1);
  const calls = new TimedCalls(world.clock, 'name', 5000);
  calls.endAll();
  await calls.pause(3000);
  const call = jest.fn();
  expect((await rejectionOf(calls.run('DescribeSecret', call))).code).toBe('RING_CLOSED');
  expect(call).not.toHaveBeenCalled();
  expect(world.clock.timers).toHaveLength(0);
});

test('a key whose read was throttled is read again after a second, then after two, and then it is kept', async () => {
  const world = await RingWorld.withKeys(2);
  const row = encryptField('note', world.material(1), 'a', { number: toKeyNumber(1) });
  const ring = await world.open({ legacy: false });
  world.service.faults.set({ kind: 'error', type: 'ThrottlingException', operation: 'GetSecretValue' });
  world.forgetCalls();
  const readsAfter = async (milliseconds: number) => {
    await world.clock.advance(milliseconds);
    expect((await rejectionOf(ring.decryptField(row, 'a'))).code).toBe('KEY_UNAVAILABLE');
    return world.calls.read;
  };
  expect(await readsAfter(0)).toBe(1);
  expect(await readsAfter(999)).toBe(1);
  expect(await readsAfter(1)).toBe(2);
  expect(await readsAfter(1999)).toBe(2);
  world.mendNetwork();
  await world.clock.advance(1);
  expect(await ring.decryptField(row, 'a')).toBe('note');
});
