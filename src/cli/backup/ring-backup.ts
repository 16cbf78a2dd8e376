import { KeyRotationError } from '../../format/error.ts';
import type { KeyMaterial } from '../../format/key-material.ts';
import { MAX_KEY_NUMBER, toKeyNumber, type KeyNumber } from '../../format/key-number.ts';
import { readKeyValue } from '../../format/key-value.ts';
import { decodeStrictBase64 } from '../../format/strict-base64.ts';
import type { StoredValue } from '../ring/store.ts';

/** The first member of every backup. */
const FORMAT = 'pazpaz-key-ring-backup-1';

/** It prints nothing secret. */
export interface BackedUpKey {
  /** The lowest first; one, unless the version had several. */
  readonly numbers: readonly KeyNumber[];
  readonly isCurrent: boolean;
  readonly key: KeyMaterial;
  /** Exactly as the version has it. */
  readonly value: () => StoredValue;
}

/** At one moment. */
export interface RingBackup {
  /** An ARN, or the name where no ARN was shown. */
  readonly secret: string;
  /** ISO 8601, UTC. */
  readonly madeAt: string;
  /** By number. */
  readonly keys: readonly BackedUpKey[];
  /** Absent in older backups. */
  readonly retired?: readonly KeyNumber[];
}

interface VersionValue {
  readonly SecretString?: string | undefined;
  readonly SecretBinary?: Uint8Array | undefined;
}

/** Throws `INVALID_KEY_VALUE` if the value is not a key. */
export function backedUpKey(
  numbers: readonly KeyNumber[],
  isCurrent: boolean,
  { SecretString: text, SecretBinary: bytes }: VersionValue,
): BackedUpKey {
  const { key } = readKeyValue({ SecretString: text, SecretBinary: bytes });
  const value = (): StoredValue =>
    text === undefined ? { SecretBinary: bytes ?? new Uint8Array() } : { SecretString: text };
  return { numbers, isCurrent, key, value };
}

/** It holds every key: encrypt it before it is written anywhere. */
export function backupText({ secret, madeAt, keys, retired = [] }: RingBackup): string {
  const written = keys.map(({ numbers, isCurrent, value }) => ({ numbers, isCurrent, ...inJson(value()) }));
  return JSON.stringify({ format: FORMAT, secret, madeAt, keys: written, retired });
}

function inJson(value: StoredValue): object {
  return 'SecretString' in value
    ? { secretString: value.SecretString }
    : { secretBinary: Buffer.from(value.SecretBinary).toString('base64') };
}

/** Throws `INVALID_BACKUP`, which never quotes the file. */
export function parseBackup(text: string): RingBackup {
  const whole = objectIn(text);
  if (whole['format'] !== FORMAT) throw invalid(`its format is not ${FORMAT}`);
  const { secret, madeAt, keys, retired = [] } = whole;
  if (typeof secret !== 'string' || typeof madeAt !== 'string') throw invalid('it does not say whose ring it is');
  if (!Array.isArray(keys) || keys.length === 0) throw invalid('it has no key');
  const read = keys.map((one: unknown, index) => keyIn(one, index + 1));
  const numbers = read.flatMap((one) => one.numbers);
  if (new Set(numbers).size !== numbers.length) throw invalid('a number names two keys');
  if (read.filter(({ isCurrent }) => isCurrent).length > 1) throw invalid('two keys are current');
  if (!Array.isArray(retired) || !retired.every(isKeyNumber)) throw invalid('its list of retired keys is not valid');
  const ordered = [...read].sort((one, other) => lowest(one) - lowest(other));
  return { secret, madeAt, keys: ordered, retired: retired.map(toKeyNumber) };
}

function objectIn(text: string): Partial<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, which holds keys.
    throw invalid('it is not JSON');
  }
  if (!isObject(parsed)) throw invalid('it is not a JSON object');
  return parsed;
}

function keyIn(one: unknown, place: number): BackedUpKey {
  if (!isObject(one)) throw invalid(`entry ${place} is not a key`);
  const { numbers, isCurrent, secretString, secretBinary } = one;
  if (
    !Array.isArray(numbers) ||
    numbers.length === 0 ||
    !numbers.every(isKeyNumber) ||
    typeof isCurrent !== 'boolean'
  ) {
    throw invalid(`entry ${place} has no valid number`);
  }
  const bytes = typeof secretBinary === 'string' ? decodeStrictBase64(secretBinary) : undefined;
  const value =
    typeof secretString === 'string' && secretBinary === undefined
      ? { SecretString: secretString }
      : { SecretBinary: secretString === undefined ? bytes : undefined };
  if (value.SecretString === undefined && value.SecretBinary === undefined)
    throw invalid(`entry ${place} has no value`);
  return backedUpKey(
    numbers.map(toKeyNumber).sort((a, b) => a - b),
    isCurrent,
    value,
  );
}

function isKeyNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_KEY_NUMBER;
}

function isObject(value: unknown): value is Partial<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function lowest({ numbers }: BackedUpKey): number {
  return Math.min(...numbers);
}

function invalid(found: string): KeyRotationError {
  return new KeyRotationError(
    'INVALID_BACKUP',
    `The file is not what 'pazpaz-keys backup' writes: ${found}. Use another backup; nothing was changed.`,
  );
}
