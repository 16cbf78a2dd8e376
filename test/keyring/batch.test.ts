import { randomBytes } from 'node:crypto';
import { encryptField } from '../../src/format/field.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { rejectionOf } from './support/rejection-of.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(closeRings);

const NOTE = 'Patient has diabetes';
const CONTEXT = 'patients:7:note';

test('a batch gives every text in its order, and the error of the one that has none', async () => {
  const world = await RingWorld.withKeys(3);
  const ring = await world.open();
  const row = (number: number, key = world.keyOf(number)) =>
    encryptField(NOTE, key, CONTEXT, { number: toKeyNumber(number) });
  const answers = await ring.decryptFields([
    { bytes: row(1), context: CONTEXT },
    { bytes: row(2, randomBytes(32)), context: CONTEXT },
    { bytes: row(3), context: CONTEXT },
    { bytes: ring.encryptField('') },
  ]);
  expect(answers).toMatchObject([
    { text: NOTE },
    { error: { code: 'TAMPERED_OR_WRONG_CONTEXT' } },
    { text: NOTE },
    { text: '' },
  ]);
});

/** What a program in JavaScript may put into a batch, whatever the types say. */
const BAD_ROWS: readonly (readonly [string, unknown, string])[] = [
  ['undefined', undefined, 'INVALID_CIPHERTEXT'],
  ['null', null, 'INVALID_CIPHERTEXT'],
  ['a text in place of a row', 'diabetes', 'INVALID_CIPHERTEXT'],
  ['a NULL of the database', { bytes: null }, 'INVALID_CIPHERTEXT'],
  ['no bytes', {}, 'INVALID_CIPHERTEXT'],
  ['base64', { bytes: 'A'.repeat(80) }, 'INVALID_CIPHERTEXT'],
  ['a number', { bytes: 4111 }, 'INVALID_CIPHERTEXT'],
  ['a list of numbers', { bytes: Array(40).fill(1) }, 'INVALID_CIPHERTEXT'],
  ['a NULL as context', { bytes: Buffer.alloc(40), context: null }, 'INVALID_TEXT'],
  ['a number as context', { bytes: Buffer.alloc(40), context: 7 }, 'INVALID_TEXT'],
  ['too few bytes', { bytes: Buffer.alloc(27) }, 'INVALID_CIPHERTEXT'],
];

test.each(BAD_ROWS)('%s in a batch is an error of that row alone', async (_what, bad, code) => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open();
  const good = { bytes: ring.encryptField(NOTE) };
  expect(await ring.decryptFields([good, bad as never, good])).toMatchObject([
    { text: NOTE },
    { error: { code } },
    { text: NOTE },
  ]);
});

test('a hole in a batch is an error of its place', async () => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open();
  const rows = Array<{ bytes: Buffer }>(2);
  rows[1] = { bytes: ring.encryptField(NOTE) };
  expect(await ring.decryptFields(rows)).toMatchObject([{ error: { code: 'INVALID_CIPHERTEXT' } }, { text: NOTE }]);
});

test('what is no batch at all is an error of ours', async () => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open();
  expect((await rejectionOf(ring.decryptFields(undefined as never))).code).toBe('INVALID_CIPHERTEXT');
});

test('a batch for a ring that is closed has an error for each row', async () => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open();
  const bytes = ring.encryptField(NOTE);
  ring.close();
  expect(await ring.decryptFields([{ bytes }, { bytes }])).toMatchObject([
    { error: { code: 'RING_CLOSED' } },
    { error: { code: 'RING_CLOSED' } },
  ]);
});

describe('a value of another type', () => {
  test.each(BAD_ROWS.filter(([, bad]) => typeof bad === 'object' && bad !== null))(
    '(%s) is refused by every way to decrypt',
    async (_what, bad, code) => {
      const world = await RingWorld.withKeys(1);
      const ring = await world.open();
      const { bytes, context } = bad as { bytes: never; context: never };
      for (const reading of [
        ring.decryptField(bytes, context),
        ring.decryptBytes(bytes, context),
        Promise.resolve().then(() => ring.decryptFieldSync(bytes, context)),
      ]) {
        expect((await rejectionOf(reading)).code).toBe(code);
      }
    },
  );

  test.each([
    ['a number', 123456789],
    ['an object', { diabetes: 123456789 }],
    ['an array', ['diabetes']],
    ['null', null],
    ['undefined', undefined],
    ['a boolean', true],
    ['an object', new Uint16Array([0x6469])],
  ])('is not encrypted (%s), and the error does not show it', async (name, value) => {
    const world = await RingWorld.withKeys(1);
    const ring = await world.open();
    const error = await rejectionOf(Promise.resolve().then(() => ring.encryptField(value as never, CONTEXT)));
    expect(error.code).toBe('INVALID_TEXT');
    expect(error.message).toContain(`got ${name}.`);
    expect(`${error.stack ?? ''}${JSON.stringify(error)}`).not.toMatch(/diabetes|123456789/);
    expect(ring.usage()).toEqual([{ keyNumber: 1, versionId: world.versionIds.get(1), encryptions: 0 }]);
  });
});
