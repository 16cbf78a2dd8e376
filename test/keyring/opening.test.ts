import { KeyRing } from '../../src/keyring/key-ring.ts';
import { errorOf } from '../format/support/error-of.ts';
import { rejectionOf } from './support/rejection-of.ts';
import { closeRings, RingWorld } from './support/ring-world.ts';

afterEach(closeRings);

test.each([process.env, {}, 'settings', 7, null, { keySource: 'env' }])(
  '%p is no settings, and the error says which call makes them',
  async (given) => {
    const error = await rejectionOf(KeyRing.open(given as never));
    expect(error.code).toBe('INVALID_SETTINGS');
    expect(error.message).toContain('loadSettings(process.env)');
  },
);

test('a misspelt option is refused, and the error lists those that exist', async () => {
  const world = await RingWorld.withKeys(1);
  const error = await rejectionOf(world.open({ timeTolive: 5000 } as never));
  expect(error.code).toBe('INVALID_SETTINGS');
  expect(error.message).toContain('no option "timeTolive"');
  expect(error.message).toContain('timeToLive');
});

test.each(['5000', Number.NaN, {}])('a time to live of %p is refused', async (timeToLive) => {
  const world = await RingWorld.withKeys(1);
  const error = await rejectionOf(world.open({ timeToLive } as never));
  expect(error.code).toBe('INVALID_SETTINGS');
  expect(error.message).toContain('timeToLive must be a number of milliseconds');
});

test('an option that is undefined is the default', async () => {
  const world = await RingWorld.withKeys(1);
  const ring = await world.open({ timeToLive: undefined, legacy: undefined } as never);
  expect(await ring.decryptField(ring.encryptField('note'))).toBe('note');
});

test('new KeyRing() says how a ring is opened', () => {
  const Constructor = KeyRing as never as new () => KeyRing;
  const error = errorOf(() => new Constructor());
  expect(error.code).toBe('INVALID_SETTINGS');
  expect(error.message).toContain('await KeyRing.open()');
});
