import Fastify, { type FastifyInstance } from 'fastify';
import { keyRing } from '../../examples/fastify/key-ring.ts';
import type { RingMeter } from '../../src/keyring/telemetry/ring-meter.ts';
import { errorOf } from '../format/support/error-of.ts';
import { closeRings, RingWorld } from '../keyring/support/ring-world.ts';

let app: FastifyInstance;
afterEach(async () => {
  await app.close();
  closeRings();
});

async function start(world: RingWorld, meter?: RingMeter): Promise<FastifyInstance> {
  app = Fastify();
  await app.register(keyRing, { open: (options) => world.open(options), ...(meter === undefined ? {} : { meter }) });
  app.get('/note', () => app.keyRing.decryptFieldSync(app.keyRing.encryptField('note')));
  await app.ready();
  return app;
}

test('the ring is open before the first request, and closed with the application', async () => {
  await start(await RingWorld.withKeys(2));
  const { keyRing: ring } = app;
  expect(ring.health().keys.map(({ isCached }) => isCached)).toEqual([true, true]);
  expect((await app.inject('/note')).body).toBe('note');
  await app.close();
  expect(errorOf(() => ring.encryptField('note')).code).toBe('RING_CLOSED');
});

test('an application that cannot open its ring does not start', async () => {
  const world = await RingWorld.withKeys(1);
  world.cutNetwork();
  await expect(start(world)).rejects.toMatchObject({ code: 'CANNOT_REACH_AWS' });
});

test('health says when the ring no longer encrypts', async () => {
  const world = await RingWorld.withKeys(1);
  await start(world);
  expect(await app.inject('/health')).toMatchObject({ statusCode: 200 });
  world.cutNetwork();
  await world.clock.advance(25 * 3_600_000);
  const response = await app.inject('/health');
  expect([response.statusCode, response.json<{ canEncrypt: boolean }>().canEncrypt]).toEqual([503, false]);
});

test('a meter of the application measures the ring', async () => {
  const names: string[] = [];
  const instrument = (name: string) => {
    names.push(name);
    return { addCallback: () => undefined, removeCallback: () => undefined };
  };
  await start(await RingWorld.withKeys(1), { createObservableCounter: instrument, createObservableGauge: instrument });
  expect(names).toEqual(['pazpaz.key.encryptions', 'pazpaz.key.age']);
});
