import { randomBytes } from 'node:crypto';
import { encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';
import { readVarint } from '../../src/format/varint.ts';
import { errorOf } from '../format/support/error-of.ts';
import { OLD_FORMS } from '../format/support/old-application.ts';
import { everythingPrinted, spellingsOf } from '../format/support/secret-spellings.ts';
import { settle } from './support/manual-clock.ts';
import { rejectionOf } from './support/rejection-of.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(closeRings);

const NOTE = 'Patient has diabetes';
const ENVIRONMENT_KEY = randomBytes(32);

test('no failure, log line or ring shows a key, a plaintext or a context', async () => {
  const world = await RingWorld.withKeys(2);
  await world.rotate(randomBytes(24).toString('base64'));
  await world.rotate();
  await world.unlabel('key-v1', 1);
  const environmentKey = KeyMaterial.fromBytes(ENVIRONMENT_KEY);
  const ring = await world.open({}, { environmentKey, environment: 'production' });
  const row = (number: number, key = world.keyOf(number)) =>
    encryptField(NOTE, key, 'patients:7:note', { number: toKeyNumber(number) });
  const rows = [
    row(4).fill(0, 20),
    row(1),
    row(3),
    row(99, randomBytes(32)),
    Buffer.alloc(5),
    OLD_FORMS['a JSON object'](NOTE, { key: world.keyOf(1) }),
    ring.encryptField(Buffer.concat([Buffer.from(NOTE), Buffer.of(0xff)]), 'patients:7:note'),
  ];
  const printed: string[] = [everythingPrinted(ring)];
  const codes = new Set<string>();
  const take = (error: ReturnType<typeof errorOf>) => {
    codes.add(error.code);
    printed.push(everythingPrinted(error));
    expect(error.cause).toBeUndefined();
  };
  for (const bytes of rows) {
    take(await rejectionOf(ring.decryptField(bytes, 'patients:7:note')));
    take(errorOf(() => ring.decryptFieldSync(bytes, 'patients:7:note')));
  }
  take(errorOf(() => ring.encryptField(`${NOTE}\uD800`, 'patients:7:note')));
  take(errorOf(() => ring.encryptField(NOTE, 'patients:7:note\uD800')));
  world.cutNetwork();
  await world.clock.advance(25 * 3_600_000);
  take(errorOf(() => ring.encryptField(NOTE, 'patients:7:note')));
  take(await rejectionOf(ring.decryptField(row(5, randomBytes(32)))));
  take(await rejectionOf(world.open()));
  await world.open({}, { environmentKey });
  ring.close();
  take(errorOf(() => ring.encryptField(NOTE)));

  expect([...codes].sort()).toEqual([
    'CANNOT_REACH_AWS',
    'INVALID_CIPHERTEXT',
    'INVALID_KEY_VALUE',
    'INVALID_TEXT',
    'KEY_NEVER_ISSUED',
    'KEY_RETIRED',
    'KEY_TOO_OLD',
    'KEY_UNAVAILABLE',
    'RING_CLOSED',
    'TAMPERED_OR_WRONG_CONTEXT',
  ]);
  const everything = [...printed, JSON.stringify(world.log)].join('\n');
  for (const key of [ENVIRONMENT_KEY, ...world.keyBytes.values()]) {
    for (const spelling of spellingsOf(key)) expect(everything).not.toContain(spelling);
  }
  expect(everything).not.toContain('diabetes');
  expect(everything).not.toContain('patients:7');
});

test('a logger whose promise rejects loses no row, and is no one else’s trouble', async () => {
  const unhandled = jest.fn();
  process.on('unhandledRejection', unhandled);
  const world = await RingWorld.withKeys(2);
  const ring = await world.open({ logger: () => Promise.reject(new Error('log shipping is down')) });
  const row = encryptField(NOTE, world.material(1), '', { number: toKeyNumber(1) });
  expect(await ring.decryptField(row)).toBe(NOTE);
  await settle();
  process.off('unhandledRejection', unhandled);
  expect(unhandled).not.toHaveBeenCalled();
});

test('a logger that throws loses no row', async () => {
  const world = await RingWorld.withKeys(2);
  const ring = await world.open({
    logger: () => {
      throw new Error('disk full');
    },
  });
  const row = encryptField(NOTE, world.material(1), '', { number: toKeyNumber(1) });
  expect(await ring.decryptField(row)).toBe(NOTE);
});

test('a key that is pending only never encrypts (C05)', async () => {
  const world = await RingWorld.withKeys(1);
  await world.addKey();
  const ring = await world.open();
  await world.clock.advance(10 * 60_000);
  expect(readVarint(ring.encryptField(NOTE))).toBe(1);
});

test('where AWS is down and no key is in the environment, no ring opens, so nothing is written (C05)', async () => {
  const world = await RingWorld.withKeys(1);
  world.cutNetwork();
  const { secretId, region } = world.settings;
  const opening = KeyRing.open(
    { keySource: 'aws', environment: 'production', environmentKey: undefined, secretId, region },
    { source: world.source(), clock: world.clock },
  );
  expect((await rejectionOf(opening)).code).toBe('CANNOT_REACH_AWS');
  expect(world.clock.timers).toHaveLength(0);
});
