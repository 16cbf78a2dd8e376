import type { FastifyInstance } from 'fastify';
import { KeyRing, type KeyRingOptions } from 'pazpaz-key-rotation';

declare module 'fastify' {
  interface FastifyInstance {
    readonly keyRing: KeyRing;
  }
}

export interface KeyRingPluginOptions {
  /** Default: the ring that the variables of this process name. */
  readonly open?: (options: KeyRingOptions) => Promise<KeyRing>;
  /** An OpenTelemetry `Meter`, or anything like it. */
  readonly meter?: KeyRingOptions['meter'];
}

/**
 * A plugin: `await app.register(keyRing)`. Fastify accepts no request before it is ready, so `app.keyRing` is open and
 * has every key from the first one on. `/health` tells the ring's health, and `app.close()` closes the ring last.
 */
export async function keyRing(
  app: FastifyInstance,
  { open = (options) => KeyRing.open(undefined, options), meter }: KeyRingPluginOptions,
): Promise<void> {
  const ring = await open(meter === undefined ? {} : { meter });
  app.addHook('onClose', () => {
    ring.close();
  });
  await ring.warm();
  app.decorate('keyRing', ring);
  app.get('/health', (_request, reply) => {
    const health = ring.health();
    return reply.code(health.canEncrypt ? 200 : 503).send(health);
  });
}

// Without it, Fastify would show the decoration to this plugin alone (what fastify-plugin sets).
Object.assign(keyRing, { [Symbol.for('skip-override')]: true });
