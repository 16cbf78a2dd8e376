import 'reflect-metadata';
import { NestApplicationContextOptions } from '@nestjs/common/interfaces/nest-application-context-options.interface.js';
import { RequestMethod } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { KEY_RING, KeyRingHealth, KeyRingModule } from '../../examples/nestjs/key-ring.module.ts';
import type { KeyRing } from '../../src/keyring/key-ring.ts';
import { errorOf } from '../format/support/error-of.ts';
import { closeRings, RingWorld } from '../keyring/support/ring-world.ts';

afterEach(closeRings);

/** Without the last one, Nest ends the process. */
const OPTIONS: NestApplicationContextOptions = Object.assign(new NestApplicationContextOptions(), {
  logger: false as const,
  abortOnError: false,
});

test('the ring is open and warm where a class gets it, and closed with the application', async () => {
  const world = await RingWorld.withKeys(2);
  const app = await NestFactory.createApplicationContext(
    KeyRingModule.register(() => world.open()),
    OPTIONS,
  );
  const ring = app.get<KeyRing>(KEY_RING);
  expect(ring.health().keys.map(({ isCached }) => isCached)).toEqual([true, true]);
  expect(ring.decryptFieldSync(ring.encryptField('note'))).toBe('note');
  await app.close();
  expect(errorOf(() => ring.encryptField('note')).code).toBe('RING_CLOSED');
});

test('an application that cannot open its ring does not start', async () => {
  const world = await RingWorld.withKeys(1);
  world.cutNetwork();
  const starting = NestFactory.createApplicationContext(
    KeyRingModule.register(() => world.open()),
    OPTIONS,
  );
  await expect(starting).rejects.toMatchObject({ code: 'CANNOT_REACH_AWS' });
});

test('health says when the ring no longer encrypts', async () => {
  const world = await RingWorld.withKeys(1);
  const app = await NestFactory.createApplicationContext(
    KeyRingModule.register(() => world.open()),
    OPTIONS,
  );
  const controller = app.get(KeyRingHealth);
  expect(controller.health()).toMatchObject({ canEncrypt: true, currentNumber: 1 });
  world.cutNetwork();
  await world.clock.advance(25 * 3_600_000);
  const response = Promise.resolve().then(() => controller.health());
  await expect(response).rejects.toMatchObject({ status: 503, response: { canEncrypt: false } });
  await app.close();
});

test('Nest finds the health under GET /health', () => {
  const methods = new Map(Object.entries(Object.getOwnPropertyDescriptors(KeyRingHealth.prototype)));
  const handler = methods.get('health')?.value as object;
  expect(Reflect.getMetadata('path', KeyRingHealth)).toBe('health');
  expect(Reflect.getMetadata('method', handler)).toBe(RequestMethod.GET);
});
