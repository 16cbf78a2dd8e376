import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isKeyRotationError } from '../../src/format/error.ts';
import { decryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { KeyRing } from '../../src/keyring/key-ring.ts';
import type { SecretSource } from '../../src/keyring/source/secret-source.ts';
import type { Settings } from '../../src/keyring/settings.ts';
import { ManualClock } from '../keyring/support/manual-clock.ts';
import { readVarint } from '../../src/format/varint.ts';

interface Version {
  readonly versionId: string;
  readonly stages: readonly string[];
  readonly secretString?: string;
  readonly denied?: boolean;
}

interface RowVector {
  readonly says: string;
  readonly context: string;
  readonly row: string;
  readonly text?: string;
  readonly error?: string;
  /** The error of the same row by a description that was asked for 30 seconds later. */
  readonly later?: string;
}

interface RingVector {
  readonly id: string;
  readonly versions: readonly Version[];
  readonly aws?: 'silent' | 'silent after opening' | 'not asked';
  readonly environmentKey?: string;
  readonly legacy?: boolean;
  readonly primaryRegion?: string;
  readonly writes: { readonly number: number; readonly key: string };
  readonly rows: readonly RowVector[];
}

const { keys, rings } = JSON.parse(readFileSync(join(__dirname, '../../vectors/rings.json'), 'utf8')) as {
  readonly keys: Readonly<Record<string, string>>;
  readonly rings: readonly RingVector[];
};

describe.each(rings)('the ring of the vectors: $id', (vector) => {
  test('writes under its current key', async () => {
    const ring = await openRing(vector);
    const row = ring.encryptField('text', 'context');
    ring.close();
    expect(readVarint(row)).toBe(vector.writes.number);
    expect(decryptField(row, keyNamed(vector.writes.key), 'context', { legacy: false })).toBe('text');
  });

  test.each(vector.rows)('$says', async ({ context, row, text, error, later }) => {
    const clock = new ManualClock();
    const ring = await openRing(vector, clock);
    const outcome = () => clock.settled(outcomeOf(ring.decryptField(Buffer.from(row, 'hex'), context)));
    expect(await outcome()).toEqual(text ?? { error });
    await clock.advance(30_000);
    if (later !== undefined) expect(await outcome()).toEqual({ error: later });
    ring.close();
  });
});

function outcomeOf(reading: Promise<string>): Promise<unknown> {
  return reading.catch((reason: unknown) => {
    if (isKeyRotationError(reason)) return { error: reason.code };
    throw reason;
  });
}

async function openRing(vector: RingVector, clock = new ManualClock()): Promise<KeyRing> {
  const service = { isSilent: vector.aws === 'silent' };
  const ring = await KeyRing.open(settingsOf(vector), {
    source: sourceOf(vector, service),
    legacy: vector.legacy ?? true,
    logger: () => undefined,
    clock,
  });
  service.isSilent ||= vector.aws === 'silent after opening';
  return ring;
}

function settingsOf({ aws, environmentKey }: RingVector): Settings {
  const key = environmentKey === undefined ? undefined : keyNamed(environmentKey);
  if (aws === 'not asked' && key !== undefined) {
    return { keySource: 'environment', environment: 'local', environmentKey: key };
  }
  return { keySource: 'aws', environment: 'staging', region: 'us-east-1', secretId: 'name', environmentKey: key };
}

function sourceOf({ versions, primaryRegion }: RingVector, service: { readonly isSilent: boolean }): SecretSource {
  return {
    describe: () =>
      service.isSilent
        ? Promise.reject(new Error('silent'))
        : Promise.resolve({
            ARN: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:name-AbCdEf',
            PrimaryRegion: primaryRegion,
            VersionIdsToStages: Object.fromEntries(versions.map(({ versionId, stages }) => [versionId, stages])),
          }),
    read: (versionId) => {
      const version = versions.find((known) => known.versionId === versionId);
      if (service.isSilent || version === undefined) return Promise.reject(new Error('silent'));
      if (version.denied === true) return Promise.reject(new AccessDenied('Access to KMS is not allowed'));
      return Promise.resolve({ SecretString: version.secretString, VersionStages: version.stages });
    },
    close: () => undefined,
  };
}

/** As the SDK makes it out of the service's answer. */
class AccessDenied extends Error {
  override readonly name = 'AccessDeniedException';
  readonly $fault = 'client';
}

function keyNamed(name: string): KeyMaterial {
  return KeyMaterial.fromBytes(Buffer.from(keys[name] ?? '', 'hex'));
}
