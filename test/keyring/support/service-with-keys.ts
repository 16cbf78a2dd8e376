import { randomBytes, randomUUID } from 'node:crypto';
import {
  CreateSecretCommand,
  PutSecretValueCommand,
  UpdateSecretVersionStageCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import type { ApplicationLogEntry } from '../../../src/keyring/application-log.ts';
import { encryptField } from '../../../src/format/field.ts';
import type { KeyMaterial } from '../../../src/format/key-material.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { KeyRing } from '../../../src/keyring/key-ring.ts';
import type { KeyRingOptions } from '../../../src/keyring/options.ts';
import { startService, type RunningService } from '../../local/support/running-service.ts';
import { SECRET } from './ring-world.ts';

/** The keys of the ring, by their number less one. */
export const KEYS = [1, 2, 3].map(() => randomBytes(32));

const rings: KeyRing[] = [];

/** Closes every ring that a test has opened; for `afterEach`. */
export function closeRingsOverHttp(): void {
  for (const ring of rings.splice(0)) ring.close();
}

/** The real SDK against the local service, as an application uses it. */
export async function open(client: SecretsManagerClient, options: KeyRingOptions = {}, environmentKey?: KeyMaterial) {
  const log: ApplicationLogEntry[] = [];
  const ring = await KeyRing.open(
    { keySource: 'aws', environment: 'staging', region: 'us-east-1', secretId: SECRET, environmentKey },
    { client, logger: (entry) => log.push(entry), ...options },
  );
  rings.push(ring);
  return { ring, log };
}

/** A local service with a secret whose last key is current. */
export async function serviceWithKeys(count: number): Promise<RunningService> {
  const service = await startService();
  await service.client.send(new CreateSecretCommand({ Name: SECRET }));
  for (let number = 1; number <= count; number += 1) await addKey(service.client, number);
  service.service.calls.clear();
  return service;
}

let currentVersion: string | undefined;

/** Adds the key of that number and makes it current, with the calls of a rotation. */
export async function addKey(client: SecretsManagerClient, number: number): Promise<void> {
  const ClientRequestToken = randomUUID();
  const SecretString = KEYS[number - 1]?.toString('base64') ?? '';
  await client.send(
    new PutSecretValueCommand({ SecretId: SECRET, ClientRequestToken, SecretString, VersionStages: ['AWSPENDING'] }),
  );
  await client.send(
    new UpdateSecretVersionStageCommand({
      SecretId: SECRET,
      VersionStage: `key-v${number}`,
      MoveToVersionId: ClientRequestToken,
    }),
  );
  if (number > 1) {
    await client.send(
      new UpdateSecretVersionStageCommand({
        SecretId: SECRET,
        VersionStage: 'AWSCURRENT',
        MoveToVersionId: ClientRequestToken,
        RemoveFromVersionId: currentVersion,
      }),
    );
  }
  currentVersion = ClientRequestToken;
}

/** A row as a process wrote it that knew this key by its number; of a number that is none of theirs, a forged one. */
export function rowUnder(number: number): Buffer {
  return encryptField('note', KEYS[number - 1] ?? randomBytes(32), 'a', { number: toKeyNumber(number) });
}
