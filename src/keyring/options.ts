import { KeyRotationError, typeName } from '../format/error.ts';
import type { ApplicationLogger } from './application-log.ts';
import type { NonceSource } from '../format/nonce.ts';
import type { RingClock } from './clock.ts';
import type { SecretSource } from './secret-source.ts';
import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

/**
 * Longest that a key may encrypt without a word from AWS, in milliseconds. Retiring counts on it: once a key has not been
 * current for as long, no process encrypts with it.
 */
export const MAX_KEY_AGE = 24 * 3_600_000;

export interface KeyRingOptions {
  /**
   * Milliseconds after which AWS is asked again which key is current: 1,000 to `maxKeyAge`. Default: 300,000. Half of
   * `maxKeyAge` where that is less: a key that AWS confirms must not be too old while AWS is asked.
   */
  readonly timeToLive?: number;
  /**
   * Milliseconds that a key may encrypt after AWS last confirmed that it is current: 1,000 to 86,400,000. Default:
   * 86,400,000, a day. Decrypting is not limited.
   */
  readonly maxKeyAge?: number;
  /**
   * Milliseconds that one call to AWS may take, its retries included: 1 to 60,000. Default: 5,000. The ring's own client
   * gives up a request that gets no answer after three fifths of it, and makes another.
   */
  readonly callTimeLimit?: number;
  /** Whether data written before this system is read as well; its context is not checked. Default: true. */
  readonly legacy?: boolean;
  /** Takes the log. Default: JSON lines on standard error. */
  readonly logger?: ApplicationLogger;
  /** A client to use; it stays the caller's to close. Default: one of the ring's own, in the settings' region. */
  readonly client?: SecretsManagerClient;
  /** Takes the place of the client, for tests. */
  readonly source?: SecretSource;
  /** Default: the clocks and timers of this machine. */
  readonly clock?: RingClock;
  /** Default: the pool of this instance of the module. */
  readonly nonces?: NonceSource;
  /** A number from 0 to 1, which spreads the calls of many processes. Default: `Math.random`. */
  readonly random?: () => number;
}

/** The times of a ring, in milliseconds. */
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
  client: true,
  source: true,
  clock: true,
  nonces: true,
  random: true,
};

/** The times that `options` ask for. Throws `INVALID_SETTINGS` for one outside its range, and for an unknown option. */
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
