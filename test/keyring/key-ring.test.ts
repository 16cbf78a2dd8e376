import crypto from 'node:crypto';
import { encryptField } from '../../src/format/field.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { readVarint } from '../../src/format/varint.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(closeRings);

const NOTE = 'Patient has diabetes';
const CONTEXT = 'patients:7:note';

test('a ring encrypts with the current key under its number, and reads it back', async () => {
  const world = await RingWorld.withKeys(3);
  const ring = await world.open();
  const row = ring.encryptField(NOTE, CONTEXT);
  expect(readVarint(row)).toBe(3);
  expect(row).toHaveLength(49);
  expect(await ring.decryptField(row, CONTEXT)).toBe(NOTE);
  expect(ring.decryptFieldSync(row, CONTEXT)).toBe(NOTE);
  expect(await ring.decryptBytes(row, CONTEXT)).toEqual(Buffer.from(NOTE));
});

test.each([
  [1, 1],
  [5, 1],
  [127, 1],
  [128, 2],
  [255, 2],
  [256, 2],
  [16_383, 2],
  [16_384, 3],
  [999_999_999, 5],
])('under number %i a row begins with %i bytes of it, and is read by another ring (C29)', async (number, bytes) => {
  const world = await RingWorld.withKeys(1);
  await world.unlabel('key-v1', 1);
  await world.label(`key-v${number}`, 1);
  const row = (await world.open()).encryptField(NOTE, CONTEXT);
  expect(readVarint(row)).toBe(number);
  expect(row).toHaveLength(bytes + 12 + NOTE.length + 16);
  await world.rotate();
  const reader = await world.open({ legacy: false });
  expect(await reader.decryptField(row, CONTEXT)).toBe(NOTE);
});

test('opening costs one description and one value', async () => {
  const world = await RingWorld.withKeys(3);
  world.forgetCalls();
  await world.open();
  expect(world.calls).toEqual({ describe: 1, read: 1 });
});

test('a row whose key is at hand is opened at the first attempt, whichever key it names', async () => {
  const world = await RingWorld.withKeys(3);
  const ring = await world.open({ legacy: false });
  const rows = [1, 2, 3].map((number) =>
    encryptField(NOTE, world.keyOf(number), CONTEXT, { number: toKeyNumber(number) }),
  );
  for (const row of rows) await ring.decryptField(row, CONTEXT);
  const attempts = jest.spyOn(crypto, 'createDecipheriv');
  for (const row of rows) expect(ring.decryptFieldSync(row, CONTEXT)).toBe(NOTE);
  expect(attempts).toHaveBeenCalledTimes(3);
  attempts.mockRestore();
});
