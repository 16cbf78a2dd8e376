import crypto from 'node:crypto';
import { encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { readVarint } from '../../src/format/varint.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';
import { rejectionOf } from './support/rejection-of.ts';
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

test('a row whose key is cached is opened at the first attempt, whichever key it names', async () => {
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

describe('under NODE_DEBUG, which makes Node print what it receives', () => {
  afterEach(() => {
    Reflect.deleteProperty(process.env, 'NODE_DEBUG');
  });

  test('a ring is not opened, and AWS is not asked', async () => {
    const world = await RingWorld.withKeys(1);
    world.forgetCalls();
    process.env['NODE_DEBUG'] = 'stream';
    const error = await rejectionOf(world.open());
    expect(error.code).toBe('INVALID_SETTINGS');
    expect(error.message).toContain('NODE_DEBUG must not be set');
    expect(world.calls).toEqual({ describe: 0, read: 0 });
  });

  test('a ring with the key of the environment alone is opened: it receives nothing', async () => {
    process.env['NODE_DEBUG'] = 'stream';
    const environmentKey = KeyMaterial.fromBytes(Buffer.alloc(32, 7));
    const ring = await KeyRing.open({ keySource: 'environment', environment: 'local', environmentKey });
    expect(await ring.decryptField(ring.encryptField('note'))).toBe('note');
  });
});
