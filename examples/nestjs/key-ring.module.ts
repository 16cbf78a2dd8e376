import {
  Controller,
  Get,
  Inject,
  ServiceUnavailableException,
  type DynamicModule,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { KeyRing, type RingHealth } from 'pazpaz-key-rotation';

/** What a class asks for: `constructor(@Inject(KEY_RING) private readonly ring: KeyRing) {}`. */
export const KEY_RING = Symbol('KeyRing');

/** `GET /health` answers with the ring's health, and with 503 while the ring does not encrypt. */
export class KeyRingHealth {
  readonly #ring: KeyRing;

  constructor(ring: KeyRing) {
    this.#ring = ring;
  }

  health(): RingHealth {
    const health = this.#ring.health();
    if (!health.canEncrypt) throw new ServiceUnavailableException(health);
    return health;
  }
}

/**
 * A module: `imports: [KeyRingModule.register()]`. Nest waits for it before the application listens, so the ring is open
 * and has every key from the first request on. Call `app.enableShutdownHooks()`, so that a signal closes the ring, too.
 */
export class KeyRingModule implements OnApplicationShutdown {
  readonly #ring: KeyRing;

  constructor(ring: KeyRing) {
    this.#ring = ring;
  }

  onApplicationShutdown(): void {
    this.#ring.close();
  }

  static register(open: () => Promise<KeyRing> = () => KeyRing.open()): DynamicModule {
    const useFactory = async () => {
      const ring = await open();
      await ring.warm();
      return ring;
    };
    return {
      module: KeyRingModule,
      global: true,
      controllers: [KeyRingHealth],
      providers: [{ provide: KEY_RING, useFactory }],
      exports: [KEY_RING],
    };
  }
}

// What @Inject, @Controller and @Get do, without decorators: the file runs as it is under tsx and Node.
for (const type of [KeyRingModule, KeyRingHealth]) Inject(KEY_RING)(type, undefined, 0);
Controller('health')(KeyRingHealth);
const method = Object.getOwnPropertyDescriptor(KeyRingHealth.prototype, 'health');
if (method !== undefined) Get()(KeyRingHealth.prototype, 'health', method);
