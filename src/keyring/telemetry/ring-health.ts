import type { KeyRotationError } from '../../format/error.ts';
import type { RingCache } from '../ring-cache.ts';
import { versionsInUse } from '../../format/ring-labels.ts';

/** An error as plain data. It shows no key and no plaintext. */
export interface HealthError {
  readonly code: string;
  readonly message: string;
}

export interface KeyHealth {
  /** 0 if the version has no number, or for the environment's key. */
  readonly number: number;
  /** Absent for the environment's key. */
  readonly versionId?: string;
  /** Whether it encrypts. */
  readonly isCurrent: boolean;
  /** Whether it is cached, so that a synchronous read of its rows does not fail. */
  readonly isCached: boolean;
  /** Why the last read failed; absent if it succeeded or was never tried. */
  readonly error?: HealthError;
}

export interface RingHealth {
  /** Whether `encryptField` works now. */
  readonly canEncrypt: boolean;
  /** Number of the key that encrypts; 0 without a number. Absent if no key encrypts. */
  readonly currentNumber?: number;
  /** Seconds since AWS confirmed that this key is current. Absent for a key of the environment. */
  readonly ageSeconds?: number;
  /** Why the last refresh failed. Absent if it succeeded. */
  readonly lastError?: HealthError;
  /** Every key of the ring by the last description, and those of the environment. */
  readonly keys: readonly KeyHealth[];
}

export interface EnvironmentNumbers {
  readonly numbers: readonly number[];
  readonly writing: number | undefined;
}

export function ringHealth(cache: RingCache, environment: EnvironmentNumbers): RingHealth {
  const { age, current, lastError, labels, maxKeyAge } = cache;
  const keys = labels === undefined ? [] : versionsInUse(labels).map((versionId) => keyHealth(cache, versionId));
  const { numbers, writing } = environment;
  return {
    canEncrypt: age === undefined ? writing !== undefined : age < maxKeyAge,
    currentNumber: current?.number ?? 0,
    ...(age === undefined ? {} : { ageSeconds: Math.floor(age / 1000) }),
    ...(lastError === undefined ? {} : { lastError: asData(lastError) }),
    keys: [...keys, ...environmentHealths(numbers, current === undefined ? writing : undefined)],
  };
}

export function environmentHealth({ numbers, writing = 0 }: EnvironmentNumbers): RingHealth {
  return { canEncrypt: true, currentNumber: writing, keys: environmentHealths(numbers, writing) };
}

export function closedHealth(reason: KeyRotationError): RingHealth {
  return { canEncrypt: false, lastError: asData(reason), keys: [] };
}

function keyHealth(cache: RingCache, versionId: string): KeyHealth {
  const isCached = cache.keys.ofVersion(versionId) !== undefined;
  const error = isCached ? undefined : cache.failureOf(versionId);
  return {
    number: cache.labels?.numberOf.get(versionId) ?? 0,
    versionId,
    isCurrent: cache.current?.versionId === versionId,
    isCached,
    ...(error === undefined ? {} : { error: asData(error) }),
  };
}

function environmentHealths(numbers: readonly number[], writing: number | undefined): readonly KeyHealth[] {
  return numbers.map((number) => ({ number, isCurrent: number === writing, isCached: true }));
}

function asData({ code, message }: KeyRotationError): HealthError {
  return { code, message };
}
