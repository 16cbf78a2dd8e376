import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  type GetSecretValueCommandInput,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { isKeyRotationError } from '../format/error.ts';
import { decryptField, encryptField } from '../format/field.ts';
import type { KeyMaterial } from '../format/key-material.ts';
import type { KeyNumber } from '../format/key-number.ts';
import { readKeyValue } from '../format/key-value.ts';
import { ringLabels, type RingLabels } from '../format/ring-labels.ts';
import { readVarint } from '../format/varint.ts';
import { contextOf, noteOf, type PatientRecord } from './patient-record.ts';

export interface SecretAccess {
  readonly client: SecretsManagerClient;
  readonly secretId: string;
}

export interface Reading {
  readonly tried: number;
  readonly unreadable: readonly UnreadableRecord[];
}

export interface UnreadableRecord {
  readonly id: number;
  readonly keyNumber: number;
  /** For the screen. */
  readonly problem: string;
}

/** From one answer of `GetSecretValue`. */
export interface WritingKey {
  readonly key: KeyMaterial;
  readonly number: KeyNumber | 0;
  readonly versionId: string;
}

export async function currentKey(secret: SecretAccess): Promise<WritingKey> {
  const { key, versionId, stages } = await fetchKey(secret, { VersionStage: 'AWSCURRENT' });
  return { key, versionId, number: ringLabels({ [versionId]: stages }).numberOf.get(versionId) ?? 0 };
}

export function recordUnder({ key, number, versionId }: WritingKey, id: number): PatientRecord {
  const text = noteOf(id);
  const context = contextOf(id);
  const ciphertext = encryptField(text, key, context, { number });
  return { id, text, context, ciphertext, keyNumber: number, versionId };
}

export async function writeRecord(secret: SecretAccess, id: number): Promise<PatientRecord> {
  return recordUnder(await currentKey(secret), id);
}

/** Nothing is cached: each reading shows what a process that starts now could read. */
export async function readRecords(secret: SecretAccess, records: readonly PatientRecord[]): Promise<Reading> {
  const { client, secretId } = secret;
  const ring = ringLabels((await client.send(new DescribeSecretCommand({ SecretId: secretId }))).VersionIdsToStages);
  const fetched = new Map<string, Promise<KeyMaterial>>();
  const keyOf = (versionId: string): Promise<KeyMaterial> => {
    const key = fetched.get(versionId) ?? fetchKey(secret, { VersionId: versionId }).then((found) => found.key);
    fetched.set(versionId, key);
    return key;
  };
  const unreadable: UnreadableRecord[] = [];
  for (const record of records) {
    const { id, keyNumber } = record;
    const problem = await problemWith(record, ring, keyOf);
    if (problem !== undefined) unreadable.push({ id, keyNumber, problem });
  }
  return { tried: records.length, unreadable };
}

/** By the keys that have these labels, whatever number the header names. */
export async function countReadableWith(
  secret: SecretAccess,
  labels: readonly string[],
  records: readonly PatientRecord[],
): Promise<number> {
  const keys = await Promise.all(labels.map((label) => fetchKey(secret, { VersionStage: label })));
  return records.filter((record) => keys.some(({ key }) => opened(record, key) === record.text)).length;
}

/** `undefined` if the record can be read. */
async function problemWith(
  record: PatientRecord,
  ring: RingLabels,
  keyOf: (versionId: string) => Promise<KeyMaterial>,
): Promise<string | undefined> {
  const number = readVarint(record.ciphertext);
  const versions = versionsFor(number, ring);
  if (versions.length === 0) return `no version has the number ${number ?? 'that it names'}`;
  try {
    for (const versionId of versions) {
      const text = opened(record, await keyOf(versionId));
      if (text !== undefined) return text === record.text ? undefined : 'it decrypts to another text';
    }
  } catch (error) {
    return error instanceof Error ? error.message : 'its key cannot be read';
  }
  return number === 0
    ? `none of the ${versions.length} keys that still exist opens it`
    : `the key with its number, ${number ?? 0}, does not open it`;
}

/** Number 0 names no version, so any may. */
function versionsFor(number: ReturnType<typeof readVarint>, ring: RingLabels): readonly string[] {
  if (number === undefined) return [];
  const named = number === 0 ? [...ring.numberOf.keys(), ring.current, ring.previous] : [ring.versionOf.get(number)];
  return [...new Set(named.filter((versionId) => versionId !== undefined))];
}

function opened({ ciphertext, context }: PatientRecord, key: KeyMaterial): string | undefined {
  try {
    return decryptField(ciphertext, key, context, { legacy: false });
  } catch (error) {
    if (isKeyRotationError(error, 'DECRYPTION_FAILED')) return undefined;
    throw error;
  }
}

export async function fetchKey(
  { client, secretId }: SecretAccess,
  which: Omit<GetSecretValueCommandInput, 'SecretId'>,
): Promise<{ key: KeyMaterial; versionId: string; stages: string[] }> {
  const answer = await client.send(new GetSecretValueCommand({ SecretId: secretId, ...which }));
  return { key: readKeyValue(answer).key, versionId: answer.VersionId ?? '', stages: answer.VersionStages ?? [] };
}
