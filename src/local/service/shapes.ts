import { blob, boolean, integer, list, optional, required, structure, text, type Shape } from './validation.ts';

/** From botocore's service-2.json (2017-10-17). The operations check the rules that the model lacks. */

const secretId = text({ min: 1, max: 2048 });
const secretName = text({ min: 1, max: 512 });
const clientRequestToken = text({ min: 32, max: 64 });
const versionId = text({ min: 32, max: 64 });
const versionStage = text({ min: 1, max: 256 });
const description = text({ max: 2048 });
const kmsKeyId = text({ max: 2048 });
/** The model counts characters; the service enforces the quota of 65,536 bytes. */
const secretString = text({ min: 1, max: 65_536, unit: 'bytes', sensitive: true });
const secretBinary = blob({ min: 1, max: 65_536 });
const nextToken = text({ min: 1, max: 4096 });
const maxResults = integer({ min: 1, max: 100 });
const resourcePolicy = text({ min: 1, max: 20_480 });
const tagKey = text({ min: 1, max: 128 });
const region = text({ min: 1, max: 128, pattern: '([a-z]+-)+\\d+' });

const tag = structure((member) => ({
  Key: member('Key', optional(tagKey)),
  Value: member('Value', optional(text({ max: 256 }))),
}));
const replicaRegion = structure((member) => ({
  Region: member('Region', optional(region)),
  KmsKeyId: member('KmsKeyId', optional(kmsKeyId)),
}));
const rotationRules = structure((member) => ({
  AutomaticallyAfterDays: member('AutomaticallyAfterDays', optional(integer({ min: 1, max: 1000 }))),
  Duration: member('Duration', optional(text({ min: 2, max: 3, pattern: '[0-9]+h' }))),
  ScheduleExpression: member(
    'ScheduleExpression',
    optional(text({ min: 1, max: 256, pattern: '[0-9A-Za-z\\(\\)#\\?\\*\\-\\/, ]+' })),
  ),
}));
const filter = structure((member) => ({
  Key: member(
    'Key',
    optional(
      text({
        values: ['description', 'name', 'tag-key', 'tag-value', 'primary-region', 'owning-service', 'all'],
      }),
    ),
  ),
  Values: member(
    'Values',
    optional(list(text({ max: 512, pattern: '\\!?[a-zA-Z0-9 :_@\\/\\+\\=\\.\\-\\!]*' }), { min: 1, max: 10 })),
  ),
}));
const filters = list(filter, { max: 10 });

export type Read<S> = S extends Shape<infer T> ? T : never;
export type RotationRulesInput = Read<typeof rotationRules>;
export type Filter = Read<typeof filter>;
export type TagInput = Read<typeof tag>;
export type ReplicaRegionInput = Read<typeof replicaRegion>;

const secretAlone = structure((member) => ({ SecretId: member('SecretId', required(secretId)) }));

export const cancelRotateSecret = secretAlone;
export const deleteResourcePolicy = secretAlone;
export const describeSecret = secretAlone;
export const getResourcePolicy = secretAlone;
export const restoreSecret = secretAlone;
export const stopReplicationToReplica = secretAlone;

const replicaRegions = list(replicaRegion, { min: 1 });

export const replicateSecretToRegions = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  AddReplicaRegions: member('AddReplicaRegions', required(replicaRegions)),
  ForceOverwriteReplicaSecret: member('ForceOverwriteReplicaSecret', optional(boolean)),
}));

export const removeRegionsFromReplication = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  RemoveReplicaRegions: member('RemoveReplicaRegions', required(list(region, { min: 1 }))),
}));

export const batchGetSecretValue = structure((member) => ({
  SecretIdList: member('SecretIdList', optional(list(secretId, { min: 1, max: 20 }))),
  Filters: member('Filters', optional(filters)),
  MaxResults: member('MaxResults', optional(integer({ min: 1, max: 20 }))),
  NextToken: member('NextToken', optional(nextToken)),
}));

export const createSecret = structure((member) => ({
  Name: member('Name', required(secretName)),
  ClientRequestToken: member('ClientRequestToken', optional(clientRequestToken)),
  Description: member('Description', optional(description)),
  KmsKeyId: member('KmsKeyId', optional(kmsKeyId)),
  SecretBinary: member('SecretBinary', optional(secretBinary)),
  SecretString: member('SecretString', optional(secretString)),
  Tags: member('Tags', optional(list(tag))),
  AddReplicaRegions: member('AddReplicaRegions', optional(replicaRegions)),
  ForceOverwriteReplicaSecret: member('ForceOverwriteReplicaSecret', optional(boolean)),
}));

export const deleteSecret = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  RecoveryWindowInDays: member('RecoveryWindowInDays', optional(integer())),
  ForceDeleteWithoutRecovery: member('ForceDeleteWithoutRecovery', optional(boolean)),
}));

export const getRandomPassword = structure((member) => ({
  PasswordLength: member('PasswordLength', optional(integer({ min: 1, max: 4096 }))),
  ExcludeCharacters: member('ExcludeCharacters', optional(text({ max: 4096 }))),
  ExcludeNumbers: member('ExcludeNumbers', optional(boolean)),
  ExcludePunctuation: member('ExcludePunctuation', optional(boolean)),
  ExcludeUppercase: member('ExcludeUppercase', optional(boolean)),
  ExcludeLowercase: member('ExcludeLowercase', optional(boolean)),
  IncludeSpace: member('IncludeSpace', optional(boolean)),
  RequireEachIncludedType: member('RequireEachIncludedType', optional(boolean)),
}));

export const getSecretValue = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  VersionId: member('VersionId', optional(versionId)),
  VersionStage: member('VersionStage', optional(versionStage)),
}));

export const listSecretVersionIds = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  MaxResults: member('MaxResults', optional(maxResults)),
  NextToken: member('NextToken', optional(nextToken)),
  IncludeDeprecated: member('IncludeDeprecated', optional(boolean)),
}));

export const listSecrets = structure((member) => ({
  IncludePlannedDeletion: member('IncludePlannedDeletion', optional(boolean)),
  MaxResults: member('MaxResults', optional(maxResults)),
  NextToken: member('NextToken', optional(nextToken)),
  Filters: member('Filters', optional(filters)),
  SortOrder: member('SortOrder', optional(text({ values: ['asc', 'desc'] }))),
  SortBy: member(
    'SortBy',
    optional(text({ values: ['created-date', 'last-accessed-date', 'last-changed-date', 'name'] })),
  ),
}));

export const putResourcePolicy = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  ResourcePolicy: member('ResourcePolicy', required(resourcePolicy)),
  BlockPublicPolicy: member('BlockPublicPolicy', optional(boolean)),
}));

export const putSecretValue = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  ClientRequestToken: member('ClientRequestToken', optional(clientRequestToken)),
  SecretBinary: member('SecretBinary', optional(secretBinary)),
  SecretString: member('SecretString', optional(secretString)),
  VersionStages: member('VersionStages', optional(list(versionStage, { min: 1, max: 20 }))),
  RotationToken: member(
    'RotationToken',
    optional(text({ min: 36, max: 256, pattern: '[a-zA-Z0-9\\-]+', sensitive: true })),
  ),
}));

export const rotateSecret = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  ClientRequestToken: member('ClientRequestToken', optional(clientRequestToken)),
  RotationLambdaARN: member('RotationLambdaARN', optional(text({ max: 2048 }))),
  RotationRules: member('RotationRules', optional(rotationRules)),
  RotateImmediately: member('RotateImmediately', optional(boolean)),
}));

export const tagResource = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  Tags: member('Tags', required(list(tag))),
}));

export const untagResource = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  TagKeys: member('TagKeys', required(list(tagKey))),
}));

export const updateSecret = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  ClientRequestToken: member('ClientRequestToken', optional(clientRequestToken)),
  Description: member('Description', optional(description)),
  KmsKeyId: member('KmsKeyId', optional(kmsKeyId)),
  SecretBinary: member('SecretBinary', optional(secretBinary)),
  SecretString: member('SecretString', optional(secretString)),
}));

export const updateSecretVersionStage = structure((member) => ({
  SecretId: member('SecretId', required(secretId)),
  VersionStage: member('VersionStage', required(versionStage)),
  RemoveFromVersionId: member('RemoveFromVersionId', optional(versionId)),
  MoveToVersionId: member('MoveToVersionId', optional(versionId)),
}));

export const validateResourcePolicy = structure((member) => ({
  SecretId: member('SecretId', optional(secretId)),
  ResourcePolicy: member('ResourcePolicy', required(resourcePolicy)),
}));
