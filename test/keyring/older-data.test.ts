import { randomBytes } from 'node:crypto';
import { OLD_FORMS } from '../format/support/old-application.ts';
import { rejectionOf } from './support/rejection-of.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(closeRings);

const NOTE = 'Patient has diabetes';

describe.each(Object.entries(OLD_FORMS))('older data stored as %s', (_form, write) => {
  test.each([1, 2, 3])('is read under key %i of a ring of three, by a cold and by a warm ring', async (number) => {
    const world = await RingWorld.withKeys(3);
    const ring = await world.open();
    const row = write(NOTE, { key: world.keyOf(number), version: 7 });
    expect(await ring.decryptField(row, 'any context')).toBe(NOTE);
    expect(ring.decryptFieldSync(row)).toBe(NOTE);
    expect(await ring.decryptField(write('', { key: world.keyOf(number) }))).toBe('');
  });

  test('is not read where that is switched off', async () => {
    const world = await RingWorld.withKeys(3);
    const ring = await world.open({ legacy: false });
    const row = write(NOTE, { key: world.keyOf(3) });
    const { code } = await rejectionOf(ring.decryptField(row));
    expect(['TAMPERED_OR_WRONG_CONTEXT', 'KEY_NEVER_ISSUED', 'KEY_RETIRED']).toContain(code);
  });
});

/** A thousand rows whose nonces begin with each possible byte, a few of them with `v1:`, under three keys in turn. */
function thousandRows(world: RingWorld): { readonly text: string; readonly row: Buffer }[] {
  return Array.from({ length: 1000 }, (_, index) => {
    const nonce = randomBytes(12);
    nonce[0] = index & 0xff;
    if (index % 50 === 0) nonce.write('v1:');
    const text = `note ${index}`;
    return { text, row: OLD_FORMS['nonce, ciphertext, tag'](text, { key: world.keyOf((index % 3) + 1), nonce }) };
  });
}

test('a thousand rows whose nonces begin with each byte are read one by one, with three calls and a line for each key', async () => {
  const world = await RingWorld.withKeys(3);
  const ring = await world.open();
  const rows = thousandRows(world);
  world.forgetCalls();
  for (const { text, row } of rows) expect(await ring.decryptField(row)).toBe(text);
  expect(world.calls.read).toBe(2);
  expect(world.calls.describe).toBeLessThanOrEqual(1);
  expect(world.log.map(({ event }) => event)).toEqual(Array(3).fill('encryption_key_fetched_from_aws'));
});

test('the same all at once', async () => {
  const world = await RingWorld.withKeys(3);
  const ring = await world.open();
  const rows = thousandRows(world);
  world.forgetCalls();
  const answers = await ring.decryptFields(rows.map(({ row }) => ({ bytes: row })));
  expect(answers).toEqual(rows.map(({ text }) => ({ text })));
  expect(world.calls.read).toBe(2);
  expect(world.calls.describe).toBeLessThanOrEqual(1);
  expect(world.log).toHaveLength(3);
});

test('older data under a key that was added to read only is found without waiting for a refresh', async () => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open();
  await world.addKey();
  await world.clock.advance(3000);
  expect(await ring.decryptField(OLD_FORMS['a JSON object'](NOTE, { key: world.keyOf(2) }))).toBe(NOTE);
});

test('older data under a retired key that looks numbered says that it may be that', async () => {
  const world = await RingWorld.withKeys(3);
  await world.unlabel('key-v1', 1);
  const ring = await world.open();
  for (const [first, code] of [
    [1, 'KEY_RETIRED'],
    [9, 'KEY_NEVER_ISSUED'],
  ] as const) {
    const nonce = randomBytes(12).fill(first, 0, 1);
    const error = await rejectionOf(
      ring.decryptField(OLD_FORMS['nonce, ciphertext, tag'](NOTE, { key: world.keyOf(1), nonce })),
    );
    expect(error.code).toBe(code);
    expect(error.message).toContain('older data under a retired key');
  }
});

test.each([1, 9, 0x80])(
  'a row with its tag in front, first byte %i, is refused with words about layouts',
  async (first) => {
    const world = await RingWorld.withKeys(3);
    const ring = await world.open();
    const row = OLD_FORMS['nonce, ciphertext, tag'](NOTE, { key: world.keyOf(1), nonce: Buffer.alloc(12, first) });
    const tagInFront = Buffer.concat([row.subarray(0, 12), row.subarray(-16), row.subarray(12, -16)]);
    const error = await rejectionOf(ring.decryptField(tagInFront));
    expect(['KEY_NEVER_ISSUED', 'TAMPERED_OR_WRONG_CONTEXT']).toContain(error.code);
    expect(error.message).toContain('iv ‖ tag ‖ ciphertext');
  },
);
