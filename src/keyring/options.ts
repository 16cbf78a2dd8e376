import { KeyRotationError, typeName } from '../format/error.ts';
import type { ApplicationLogger } from './application-log.ts';
import type { NonceSource } from '../format/nonce.ts';
import type { RingClock } from './clock.ts';
import type { RingMeter } from './telemetry/ring-meter.ts';
import type { SecretSource } from './source/secret-source.ts';
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

/** Milliseconds. Retiring relies on it: once a key has not been current for this long, no process encrypts with it. */
export const MAX_KEY_AGE = 24 * 3_600_000;

export interface KeyRingOptions {
  /**
   * Milliseconds after which the ring asks AWS again which key is current: 1,000 to `maxKeyAge`. Default: 300,000.
   * Capped at half of `maxKeyAge`, so that a key does not become too old while AWS is asked.
   */
  readonly timeToLive?: number;
  /**
   * Milliseconds for which a key may encrypt after AWS last confirmed that it is current: 1,000 to 86,400,000. Default:
   * 86,400,000 (one day). Decryption is not limited.
   */
  readonly maxKeyAge?: number;
  /**
   * Milliseconds that one call to AWS may take, including retries: 1 to 60,000. Default: 5,000. The ring's own client
   * abandons a request without an answer after three fifths of it and sends another.
   */
  readonly callTimeLimit?: number;
  /** Whether to read data written before this system, too. Its context is not checked. Default: true. */
  readonly legacy?: boolean;
  /** Receives the log. Default: JSON lines on standard error. */
  readonly logger?: ApplicationLogger;
  /** Where the ring measures its encryptions and the age of its key: an OpenTelemetry `Meter`. Default: nowhere. */
  readonly meter?: RingMeter;
  /** The client to use. The ring does not close it. Default: a new client in the settings' region. */
  readonly client?: SecretsManagerClient;
  /** Replaces the client, for tests. */
  readonly source?: SecretSource;
  /** Default: the clocks and timers of this machine. */
  readonly clock?: RingClock;
  /** Default: the nonce pool of this module. */
  readonly nonces?: NonceSource;
  /** Returns a number from 0 to 1, which spreads the calls of many processes. Default: `Math.random`. */
  readonly random?: () => number;
}

export interface RingTimes {
  readonly timeToLive: number;
  readonly maxKeyAge: number;
  readonly callTimeLimit: number;
}

const OPTIONS: Readonly<Record<keyof KeyRingOptions, true>> = {
  timeToLive: true,
  maxKeyAge: true,
  callTimeLimit: true,
  legacy: true,
  logger: true,
  meter: true,
  client: true,
  source: true,
  clock: true,
  nonces: true,
  random: true,
};

export function ringTimes(options: KeyRingOptions): RingTimes {
  // A misspelt option would silently leave the default in force.
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(OPTIONS, name));
  if (unknown !== undefined) {
    throw new KeyRotationError(
      'INVALID_SETTINGS',
      `KeyRing.open has no option ${JSON.stringify(unknown)}. Its options are ${Object.keys(OPTIONS).join(', ')}.`,
    );
  }
  const maxKeyAge = inRange('maxKeyAge', options.maxKeyAge ?? MAX_KEY_AGE, 1000, MAX_KEY_AGE);
  const timeToLive = inRange('timeToLive', options.timeToLive ?? Math.min(300_000, maxKeyAge), 1000, maxKeyAge);
  return {
    maxKeyAge,
    timeToLive: Math.min(timeToLive, maxKeyAge / 2),
    callTimeLimit: inRange('callTimeLimit', options.callTimeLimit ?? 5000, 1, 60_000),
  };
}

function inRange(name: string, value: number, least: number, most: number): number {
  if (typeof value === 'number' && value >= least && value <= most) return value;
  const found = typeof value === 'number' ? String(value) : typeName(value);
  throw new KeyRotationError(
    'INVALID_SETTINGS',
    `${name} must be a number of milliseconds from ${least} to ${most}, got ${found}.`,
  );
}
