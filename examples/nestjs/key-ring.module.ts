import { Inject, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { KeyRing } from 'pazpaz-key-rotation';

/** What a class asks for: `constructor(@Inject(KEY_RING) private readonly ring: KeyRing) {}`. */
export const KEY_RING = Symbol('KeyRing');

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
    return { module: KeyRingModule, global: true, providers: [{ provide: KEY_RING, useFactory }], exports: [KEY_RING] };
  }
}

// As @Inject(KEY_RING) in front of the constructor's parameter, without decorators.
Inject(KEY_RING)(KeyRingModule, undefined, 0);
