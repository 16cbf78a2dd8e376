import { readVarint } from '../../src/keyring/varint.ts';
import { closeRings, RingWorld } from './ring-world.ts';

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

test('opening costs one description and one value', async () => {
  const world = await RingWorld.withKeys(3);
  world.forgetCalls();
  await world.open();
  expect(world.calls).toEqual({ describe: 1, read: 1 });
});
