import { numberOfLabel } from '../../../format/key-number.ts';
import { numberOfRetiredTag, retirementRecords } from '../../../format/retired-tag.ts';
import { isBackupTag } from '../../backup/backup-tag.ts';
import { isSameKmsKey } from '../../ring/kms-keys.ts';
import type { EventCode, HistoryEntry } from '../evidence.ts';
import { versionRecordOf } from '../../ring/version-tags.ts';
import { RECORDED, retirementDetail } from '../history.ts';
import { members, parsedMembers, type Members } from './json-members.ts';

/** With the number of each version. */
export interface Trailed {
  readonly name: string;
  readonly arn: string;
  readonly kmsKeyIds: readonly string[];
  readonly numberOf: ReadonlyMap<string, number>;
}

const CHANGES: Readonly<Record<string, EventCode>> = {
  CreateSecret: 'secret-changed',
  UpdateSecret: 'secret-changed',
  DeleteSecret: 'secret-changed',
  RestoreSecret: 'secret-changed',
  PutResourcePolicy: 'secret-changed',
  DeleteResourcePolicy: 'secret-changed',
  ReplicateSecretToRegions: 'secret-changed',
  RemoveRegionsFromReplication: 'secret-changed',
  StopReplicationToReplica: 'secret-changed',
  RotateSecret: 'rotation-begun',
  CancelRotateSecret: 'rotation-off',
  RotationSucceeded: 'rotation-succeeded',
  RotationFailed: 'rotation-failed',
  RotationAbandoned: 'rotation-failed',
};

/** Calls and the service's own events. */
export const SECRET_EVENTS = [
  ...['PutSecretValue', 'UpdateSecretVersionStage', 'TagResource', 'UntagResource'],
  ...Object.keys(CHANGES),
] as const;

/** They change what a KMS key does, or who may use it. */
export const KMS_EVENTS = [
  ...['DisableKey', 'EnableKey', 'ScheduleKeyDeletion', 'CancelKeyDeletion', 'PutKeyPolicy', 'CreateGrant'],
  ...['DisableKeyRotation', 'EnableKeyRotation', 'DeleteImportedKeyMaterial'],
];

/** Empty for an event of another secret, and for a refused one. `text`: the record as LookupEvents gives it. */
export function entriesOf(text: string, about: Trailed): readonly HistoryEntry[] {
  const event = parsedMembers(text);
  const { eventName, eventTime, eventSource, errorCode } = event;
  if (typeof eventName !== 'string' || typeof eventTime !== 'string' || errorCode !== undefined) return [];
  const input = members(event['requestParameters']);
  const by = callerOf(members(event['userIdentity']));
  const at = new Date(eventTime).toISOString();
  const entry = { at, source: 'cloudtrail' as const, ...(by === undefined ? {} : { by }) };
  if (eventSource === 'kms.amazonaws.com') {
    const isOurs = KMS_EVENTS.includes(eventName) && isOfKey(textIn(input, 'keyId'), about);
    return isOurs ? [{ ...entry, event: 'kms-key-changed', detail: eventName }] : [];
  }
  if (eventSource !== 'secretsmanager.amazonaws.com' || !isOfSecret(event, input, about)) return [];
  return ofSecret(eventName, input, about).map((found) => ({ ...entry, ...found }));
}

type Found = Omit<HistoryEntry, 'at' | 'source' | 'by'>;

function ofSecret(name: string, input: Members, about: Trailed): readonly Found[] {
  switch (name) {
    case 'PutSecretValue':
      return put(input);
    case 'UpdateSecretVersionStage':
      return moved(input, about);
    case 'TagResource':
      return tagged(listOf(input['tags']).map(members));
    case 'UntagResource':
      return listOf(input['tagKeys']).flatMap((key) => {
        const number = typeof key === 'string' ? numberOfRetiredTag(key) : undefined;
        // A record also goes when AWS has deleted the version.
        const isOnRing = number !== undefined && [...about.numberOf.values()].includes(number);
        return isOnRing ? [{ event: 'key-restored', number }] : [];
      });
    default: {
      const event = CHANGES[name];
      if (event === undefined) return [];
      const versionId = textIn(input, 'clientRequestToken');
      const about = event === 'rotation-begun' && versionId !== undefined ? { versionId } : {};
      return [{ event, ...about, ...(event === 'secret-changed' ? { detail: name } : {}) }];
    }
  }
}

/** A rotation puts its key under `AWSPENDING`; any other put is by hand. */
function put(input: Members): readonly Found[] {
  const versionId = textIn(input, 'clientRequestToken');
  const labels = listOf(input['versionStages']);
  const about = versionId === undefined ? {} : { versionId };
  if (labels.includes('AWSPENDING')) return [{ event: 'key-made', ...about }];
  const isCurrent = labels.length === 0 || labels.includes('AWSCURRENT');
  return [{ event: 'key-put', ...about }, ...(isCurrent ? [{ event: 'made-current', ...about } as const] : [])];
}

function moved(input: Members, { numberOf }: Trailed): readonly Found[] {
  const [label = '', to, from] = ['versionStage', 'moveToVersionId', 'removeFromVersionId'].map((name) =>
    textIn(input, name),
  );
  if (label === 'AWSCURRENT' && to !== undefined) {
    const isBack = (numberOf.get(to) ?? Infinity) < (numberOf.get(from ?? '') ?? 0);
    return [{ event: isBack ? 'rolled-back' : 'made-current', versionId: to }];
  }
  const number = numberOfLabel(label);
  if (number === undefined) return [];
  const former = from === undefined ? {} : { formerVersionId: from };
  if (to !== undefined) return [{ event: 'number-given', number, versionId: to, ...former }];
  return [{ event: 'number-removed', number, ...(from === undefined ? {} : { versionId: from }) }];
}

function tagged(tags: readonly Members[]): readonly Found[] {
  return tags.flatMap(({ key, value }): readonly Found[] => {
    if (typeof key !== 'string') return [];
    const number = numberOfRetiredTag(key);
    if (number !== undefined) {
      const [record] = retirementRecords([{ Key: key, Value: typeof value === 'string' ? value : '' }]);
      // A restore marks the record before it removes it.
      if (record?.isRestoring === true) return [];
      return [{ event: 'key-retired', number, ...(record === undefined ? {} : retirementDetail(record)) }];
    }
    if (isBackupTag({ Key: key })) return [{ event: 'backup-made' }];
    const record = versionRecordOf(key);
    if (record === undefined || typeof value !== 'string') return [];
    return [{ event: RECORDED[record.kind], versionId: record.versionId }];
  });
}

/** `secretId` is as the caller spelt it; an event of the service itself has `additionalEventData`. */
function isOfSecret(event: Members, input: Members, { name, arn }: Trailed): boolean {
  const ids = [input['secretId'], input['name'], members(event['additionalEventData'])['SecretId']];
  return ids.some((id) => id === name || id === arn || id === arn.replace(/-[A-Za-z0-9]{6}$/, ''));
}

/** By the ARN or the id. */
function isOfKey(keyId: string | undefined, { kmsKeyIds }: Trailed): boolean {
  return keyId !== undefined && kmsKeyIds.some((known) => isSameKmsKey(known, keyId));
}

function callerOf(identity: Members): string | undefined {
  return textIn(identity, 'arn') ?? textIn(identity, 'invokedBy');
}

function textIn(value: Members, name: string): string | undefined {
  const found = value[name];
  return typeof found === 'string' && found !== '' ? found : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
