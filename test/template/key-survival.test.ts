import { readFileSync } from 'node:fs';
import { at, list, object, text } from './support/json.ts';
import { EVERYTHING_NEW, KMS_KEY_ARN, OPERATOR_ROLE_ARN, REPLICAS, TAKE_OVER } from './support/deployments.ts';
import type { Parameters } from './support/parameters.ts';
import { deploy } from './support/stack.ts';
import { TEMPLATE } from './support/template-file.ts';

/** What holds a key or a record of who used it, and what protects it. */
const KEPT = [
  'EncryptionKeySecret',
  'SecretsKey',
  'SecretPolicy',
  'MonitoringKey',
  'KeyRotationLogGroup',
  'TrailLogGroup',
  'TrailBucket',
  'TrailBucketPolicy',
];

test('whatever holds or protects a key outlives the stack and a replacement, and a failed first deploy leaves none', () => {
  const { resources } = deploy(EVERYTHING_NEW);
  const kept = [...resources].filter(([, { deletionPolicy }]) => deletionPolicy !== undefined);
  expect(kept.map(([logicalId]) => logicalId).toSorted()).toEqual(KEPT.toSorted());
  for (const [logicalId, { deletionPolicy, updateReplacePolicy }] of kept) {
    // Retain alone would leave a secret and an alias whose names make the second try fail.
    expect([logicalId, deletionPolicy, updateReplacePolicy]).toEqual([logicalId, 'RetainExceptOnCreate', 'Retain']);
  }
});

test('every type that can hold data is kept, whatever it is called', () => {
  const holding = /^AWS::(KMS::Key|SecretsManager::(Secret|ResourcePolicy)|S3::|Logs::LogGroup)/;
  const holders = Object.entries(object(TEMPLATE['Resources'])).filter(([, raw]) =>
    holding.test(text(at(raw, 'Type'))),
  );
  expect(holders.map(([logicalId]) => logicalId).toSorted()).toEqual(KEPT.toSorted());
});

test('what outlives the stack has no name that would make the next deploy fail, but the secret, which is taken over', () => {
  const { property } = deploy();
  expect(property('KeyRotationLogGroup', 'LogGroupName')).toBeUndefined();
  expect(property('TrailLogGroup', 'LogGroupName')).toBeUndefined();
  expect(property('TrailBucket', 'BucketName')).toBeUndefined();
  expect(
    deploy({ ...TAKE_OVER, KeyAliasName: 'alias/pazpaz-secrets' }).property('SecretsKeyAlias', 'TargetKeyId'),
  ).toBe(KMS_KEY_ARN);
});

describe('the secret', () => {
  test('has the name, description and tags of the guide', () => {
    const { property } = deploy();
    expect(property('EncryptionKeySecret')).toEqual({
      Name: 'pazpaz/encryption-key-v1',
      Description: 'PazPaz encryption key v1 for PHI/PII data',
      KmsKeyId: property('SecretsKeyAlias', 'TargetKeyId'),
      Tags: [
        { Key: 'Project', Value: 'PazPaz' },
        { Key: 'Environment', Value: 'Production' },
        { Key: 'Version', Value: 'v1' },
      ],
    });
  });

  test('C37, C02: has no value that CloudFormation knows, so no edit of the template can write another one', () => {
    const raw = at(TEMPLATE, 'Resources', 'EncryptionKeySecret', 'Properties');
    expect(Object.keys(object(raw)).toSorted()).toEqual(['Description', 'KmsKeyId', 'Name', 'ReplicaRegions', 'Tags']);
  });

  test('is encrypted with a KMS key that exists already where one is given, and no other is made', () => {
    const stack = deploy({ ExistingKmsKeyArn: KMS_KEY_ARN });
    expect(stack.property('EncryptionKeySecret', 'KmsKeyId')).toBe(KMS_KEY_ARN);
    expect(stack.resources.has('SecretsKey')).toBe(false);
  });

  test('is not made where one is taken over; nor is a policy, which CloudFormation refuses beside another one', () => {
    const { resources } = deploy(TAKE_OVER);
    expect(resources.has('EncryptionKeySecret')).toBe(false);
    expect(resources.has('SecretPolicy')).toBe(false);
    expect(deploy({ ...TAKE_OVER, OperatorRoleArn: OPERATOR_ROLE_ARN }).resources.has('SecretPolicy')).toBe(true);
  });

  test('that is taken over is not replicated: its replicas are not the stack’s to make or to delete', () => {
    const { resources } = deploy({ ...TAKE_OVER, ...REPLICAS });
    expect(JSON.stringify([...resources.values()].map(({ properties }) => properties))).not.toContain('ReplicaRegions');
  });

  test('is replicated to the regions that are given, each with its KMS key', () => {
    expect(deploy(EVERYTHING_NEW).property('EncryptionKeySecret', 'ReplicaRegions')).toEqual([
      { Region: 'eu-west-1', KmsKeyId: EVERYTHING_NEW['FirstReplicaKmsKeyArn'] },
      { Region: 'eu-central-1', KmsKeyId: EVERYTHING_NEW['SecondReplicaKmsKeyArn'] },
    ]);
    const second = { SecondReplicaRegion: 'eu-west-1', SecondReplicaKmsKeyArn: KMS_KEY_ARN };
    expect(deploy(second).property('EncryptionKeySecret', 'ReplicaRegions')).toHaveLength(1);
  });
});

describe('an operator role that is given and then taken back', () => {
  const writeDeny = (parameters: Parameters) =>
    list(deploy(parameters).property('SecretPolicy', 'ResourcePolicy', 'Statement')).some(
      (statement) => at(statement, 'Sid') === 'OnlyFunctionAndOperatorWrite',
    );

  test('leaves a policy on a new secret that only forbids deletion for good', () => {
    expect([writeDeny({ OperatorRoleArn: OPERATOR_ROLE_ARN }), writeDeny({})]).toEqual([true, false]);
    expect(leftBehind({ OperatorRoleArn: OPERATOR_ROLE_ARN }, {})).toEqual([]);
  });

  test('leaves the whole policy on a secret that was taken over, and the deploy page says how to take it off', () => {
    const withOperator = { ...TAKE_OVER, OperatorRoleArn: OPERATOR_ROLE_ARN };
    expect(writeDeny(withOperator)).toBe(true);
    expect(leftBehind(withOperator, TAKE_OVER)).toEqual(['SecretPolicy']);
    const bullet = /^- \*\*`OperatorRoleArn`\*\*[^]*?(?=^- |^## )/m.exec(
      readFileSync('docs/deploy-special-cases.md', 'utf8'),
    )?.[0];
    expect(bullet).toContain('`aws secretsmanager delete-resource-policy`');
  });
});

/**
 * What an update with other parameters leaves in the account outside the stack: DeletionPolicy counts for resources that
 * leave the template, too ('DeletionPolicy attribute', CloudFormation's template reference).
 */
function leftBehind(before: Parameters, after: Parameters): readonly string[] {
  const now = deploy(after).resources;
  return [...deploy(before).resources]
    .filter(([logicalId, { deletionPolicy }]) => !now.has(logicalId) && deletionPolicy === 'RetainExceptOnCreate')
    .map(([logicalId]) => logicalId);
}

test('both KMS keys rotate their own material and can be restored for 30 days after a deletion', () => {
  const { property } = deploy();
  for (const key of ['SecretsKey', 'MonitoringKey']) {
    expect([property(key, 'EnableKeyRotation'), property(key, 'PendingWindowInDays')]).toEqual([true, 30]);
  }
  expect(property('SecretsKeyAlias', 'AliasName')).toBe('alias/pazpaz-secrets');
});

test('the key of the secret admits no one but the account itself, whose IAM policies decide', () => {
  const statements = list(deploy().property('SecretsKey', 'KeyPolicy', 'Statement'));
  expect(statements).toHaveLength(1);
  expect(at(statements[0], 'Principal')).toEqual({ AWS: 'arn:aws:iam::123456789012:root' });
});
