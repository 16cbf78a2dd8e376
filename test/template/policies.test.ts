import { SECRET_ARN } from './support/cloudtrail-events.ts';
import {
  EVERYTHING_NEW,
  FORMER_KMS_KEY_ARN,
  KMS_KEY_ARN,
  OPERATOR_ROLE_ARN,
  OTHER_SECRET_ARN,
  OTHER_TAKE_OVER,
  REPLICAS,
  TAKE_OVER,
} from './support/deployments.ts';
import { GUARDED_CALLS } from './support/principals.ts';
import { at, list, object, text, texts, type Json } from './support/json.ts';
import { deploy, type Stack } from './support/stack.ts';

const VIA_SECRETS_MANAGER = { 'kms:ViaService': 'secretsmanager.us-east-1.amazonaws.com' };
const FOR_THIS_SECRET = { ...VIA_SECRETS_MANAGER, 'kms:EncryptionContext:SecretARN': SECRET_ARN };
const FOREVER = { Bool: { 'secretsmanager:ForceDeleteWithoutRecovery': 'true' } };
const ROLE_ARN = 'arn:aws:iam::123456789012:role/pazpaz-KeyRotationRole';
const REPLICA_ARNS = ['eu-west-1', 'eu-central-1'].map((region) => SECRET_ARN.replace('us-east-1', region));

/** What a statement says, in one row: its Sid, effect, actions, resources and conditions. */
type Row = readonly [string, string, readonly string[], readonly string[], Json?];

function rows(stack: Stack, ...path: readonly [string, ...string[]]): readonly Row[] {
  return list(stack.property(path[0], ...path.slice(1), 'Statement')).map((statement): Row => {
    const condition = at(statement, 'Condition');
    const sid = text(at(statement, 'Sid'));
    const effect = text(at(statement, 'Effect'));
    const actions = texts(at(statement, 'Action'));
    const resources = texts(at(statement, 'Resource'));
    return condition === undefined ? [sid, effect, actions, resources] : [sid, effect, actions, resources, condition];
  });
}

const FUNCTION_ACTIONS = [
  'secretsmanager:DescribeSecret',
  'secretsmanager:GetSecretValue',
  'secretsmanager:PutSecretValue',
  'secretsmanager:UpdateSecretVersionStage',
];

test('the function may do its four calls on this secret, with its KMS key through Secrets Manager, and report', () => {
  const stack = deploy();
  const key = text(stack.property('EncryptionKeySecret', 'KmsKeyId'));
  const log = 'arn:aws:logs:us-east-1:123456789012:log-group:pazpaz-KeyRotationLogGroup:*';
  expect(rows(stack, 'KeyRotationRolePolicy', 'PolicyDocument')).toEqual([
    ['RotateThisSecret', 'Allow', FUNCTION_ACTIONS, [SECRET_ARN]],
    [
      'UseItsKmsKeyThroughSecretsManager',
      'Allow',
      ['kms:Decrypt', 'kms:GenerateDataKey'],
      [key],
      { StringEquals: FOR_THIS_SECRET },
    ],
    ['WriteLogs', 'Allow', ['logs:CreateLogStream', 'logs:PutLogEvents'], [log]],
    ['WriteTraces', 'Allow', ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'], ['*']],
    [
      'ReportFailedAdoptions',
      'Allow',
      ['sqs:SendMessage'],
      ['arn:aws:sqs:us-east-1:123456789012:AdoptionFailureQueue'],
    ],
  ]);
});

test('taking a secret over, the function may also read what the former KMS key encrypted, and nothing more with it', () => {
  expect(rows(deploy(TAKE_OVER), 'KeyRotationRolePolicy', 'PolicyDocument').slice(0, 3)).toEqual([
    ['RotateThisSecret', 'Allow', FUNCTION_ACTIONS, [SECRET_ARN]],
    [
      'UseItsKmsKeyThroughSecretsManager',
      'Allow',
      ['kms:Decrypt', 'kms:GenerateDataKey'],
      [KMS_KEY_ARN],
      { StringEquals: FOR_THIS_SECRET },
    ],
    [
      'ReadWhatTheFormerKmsKeyEncrypted',
      'Allow',
      ['kms:Decrypt'],
      [FORMER_KMS_KEY_ARN],
      { StringEquals: FOR_THIS_SECRET },
    ],
  ]);
});

test('only in a VPC may Lambda make network interfaces with the role, and never the code in the function', () => {
  const statements = (parameters: Readonly<Record<string, string>>) =>
    rows(deploy(parameters), 'KeyRotationRolePolicy', 'PolicyDocument').filter(([sid]) => sid.includes('Interfaces'));
  const actions = [
    'ec2:CreateNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
    'ec2:DeleteNetworkInterface',
    'ec2:AssignPrivateIpAddresses',
    'ec2:UnassignPrivateIpAddresses',
  ];
  const stack = deploy(EVERYTHING_NEW);
  const ofTheFunction = { 'lambda:SourceFunctionArn': stack.outputs['FunctionArn'] ?? null };
  expect(statements({})).toEqual([]);
  expect(statements(EVERYTHING_NEW)).toEqual([
    ['UseNetworkInterfaces', 'Allow', actions, ['*']],
    ['CodeMayNotUseNetworkInterfaces', 'Deny', actions, ['*'], { ArnEquals: ofTheFunction }],
  ]);
});

test('every role that the stack makes has the permissions boundary that is given, and none by default', () => {
  const PermissionsBoundaryArn = 'arn:aws:iam::123456789012:policy/Boundary';
  const boundaries = (parameters: Readonly<Record<string, string>>) =>
    [...deploy(parameters).resources.values()]
      .filter(({ type }) => type === 'AWS::IAM::Role')
      .map(({ properties }) => properties['PermissionsBoundary']);
  expect(boundaries({ PermissionsBoundaryArn })).toEqual([PermissionsBoundaryArn, PermissionsBoundaryArn]);
  expect(boundaries({})).toEqual([undefined, undefined]);
});

test('the read-only policy is the guide’s, for this secret and this KMS key, without kms:DescribeKey, which no reader needs', () => {
  const stack = deploy();
  expect(stack.property('ReadOnlyPolicy', 'ManagedPolicyName')).toBe('PazPazSecretsReadOnly');
  expect(stack.property('ReadOnlyPolicy', 'Roles')).toBeUndefined();
  expect(rows(stack, 'ReadOnlyPolicy', 'PolicyDocument')).toEqual([
    ['ReadEncryptionKey', 'Allow', ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret'], [SECRET_ARN]],
    [
      'DecryptWithKMS',
      'Allow',
      ['kms:Decrypt'],
      [text(stack.property('EncryptionKeySecret', 'KmsKeyId'))],
      { StringEquals: { 'kms:ViaService': ['secretsmanager.us-east-1.amazonaws.com'] } },
    ],
  ]);
});

test('the read-only policy reaches replicas and what a former KMS key encrypted, and is attached to the task role', () => {
  const replicated = deploy(EVERYTHING_NEW);
  expect(replicated.property('ReadOnlyPolicy', 'Roles')).toEqual(['PazPazECSTaskRole']);
  const [read, decrypt] = rows(replicated, 'ReadOnlyPolicy', 'PolicyDocument');
  expect(read?.[3]).toEqual([SECRET_ARN, ...REPLICA_ARNS]);
  expect(decrypt?.[3].slice(1)).toEqual([
    EVERYTHING_NEW['FirstReplicaKmsKeyArn'],
    EVERYTHING_NEW['SecondReplicaKmsKeyArn'],
  ]);
  expect(at(decrypt?.[4], 'StringEquals', 'kms:ViaService')).toEqual([
    'secretsmanager.us-east-1.amazonaws.com',
    'secretsmanager.eu-west-1.amazonaws.com',
    'secretsmanager.eu-central-1.amazonaws.com',
  ]);
  expect(rows(deploy(TAKE_OVER), 'ReadOnlyPolicy', 'PolicyDocument')[1]?.[3]).toEqual([
    KMS_KEY_ARN,
    FORMER_KMS_KEY_ARN,
  ]);
});

test('the read-only policy reaches the replicas that a secret which is taken over has', () => {
  const [read, decrypt] = rows(deploy({ ...OTHER_TAKE_OVER, ...REPLICAS }), 'ReadOnlyPolicy', 'PolicyDocument');
  const replicas = ['eu-west-1', 'eu-central-1'].map((region) => OTHER_SECRET_ARN.replace('us-east-1', region));
  expect(read?.[3]).toEqual([OTHER_SECRET_ARN, ...replicas]);
  expect(decrypt?.[3]).toEqual([
    KMS_KEY_ARN,
    FORMER_KMS_KEY_ARN,
    REPLICAS['FirstReplicaKmsKeyArn'],
    REPLICAS['SecondReplicaKmsKeyArn'],
  ]);
  const [first] = rows(
    deploy({ ...TAKE_OVER, SecondReplicaRegion: 'eu-west-1', SecondReplicaKmsKeyArn: KMS_KEY_ARN }),
    'ReadOnlyPolicy',
    'PolicyDocument',
  );
  expect(first?.[3]).toEqual([SECRET_ARN, REPLICA_ARNS[0]]);
});

/** What the operator's commands look at besides the secret and its KMS key. */
const LOOKING: readonly Row[] = [
  ['ListSecrets', 'Allow', ['secretsmanager:ListSecrets'], ['*']],
  [
    'LookAtTheFunction',
    'Allow',
    ['lambda:GetFunctionConfiguration'],
    ['arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation'],
  ],
  [
    'RunTheFunction',
    'Allow',
    ['lambda:InvokeFunction'],
    ['arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation'],
  ],
  [
    'ReadItsLog',
    'Allow',
    ['logs:FilterLogEvents'],
    ['arn:aws:logs:us-east-1:123456789012:log-group:pazpaz-KeyRotationLogGroup:*'],
  ],
  ['CountEncryptions', 'Allow', ['cloudwatch:GetMetricStatistics'], ['*']],
];

test('the admin policy names the KMS key, never an alias, can put values, and never deletes for good', () => {
  const secrets = [SECRET_ARN, 'arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/*'];
  const keys = [KMS_KEY_ARN, FORMER_KMS_KEY_ARN];
  expect(rows(deploy(TAKE_OVER), 'AdminPolicy', 'PolicyDocument')).toEqual([
    ['ManageSecrets', 'Allow', ['secretsmanager:*'], secrets],
    [
      'UseKmsKeyThroughSecretsManager',
      'Allow',
      ['kms:Decrypt', 'kms:Encrypt', 'kms:GenerateDataKey'],
      keys,
      { StringEquals: VIA_SECRETS_MANAGER },
    ],
    ['DescribeKmsKey', 'Allow', ['kms:DescribeKey'], keys],
    ...LOOKING,
    ['NeverDeleteForGood', 'Deny', ['secretsmanager:DeleteSecret'], ['*'], FOREVER],
  ]);
});

test.each([
  ['a new secret', EVERYTHING_NEW],
  ['a secret that is taken over', { ...TAKE_OVER, ...REPLICAS }],
])('the admin policy reads the replicas of %s, and writes to none', (_, parameters) => {
  const byRow = rows(deploy(parameters), 'AdminPolicy', 'PolicyDocument');
  const regional = ['eu-west-1', 'eu-central-1'].map((region) => `secretsmanager.${region}.amazonaws.com`);
  expect(byRow.filter(([sid]) => sid.endsWith('Replicas'))).toEqual([
    ['ReadReplicas', 'Allow', ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'], REPLICA_ARNS],
    [
      'DecryptReplicas',
      'Allow',
      ['kms:Decrypt'],
      [REPLICAS['FirstReplicaKmsKeyArn'], REPLICAS['SecondReplicaKmsKeyArn']],
      { StringEquals: { 'kms:ViaService': regional } },
    ],
  ]);
});

test('the policy of the secret forbids everyone to delete it for good; an operator role alone may write and lift guards', () => {
  const never: Row = ['NeverDeleteForGood', 'Deny', ['secretsmanager:DeleteSecret'], ['*'], FOREVER];
  expect(rows(deploy(), 'SecretPolicy', 'ResourcePolicy')).toEqual([never]);
  expect(rows(deploy({ OperatorRoleArn: OPERATOR_ROLE_ARN }), 'SecretPolicy', 'ResourcePolicy')).toEqual([
    never,
    [
      'OnlyFunctionAndOperatorWrite',
      'Deny',
      GUARDED_CALLS.map((call) => `secretsmanager:${call}`),
      ['*'],
      {
        ArnNotEquals: { 'aws:PrincipalArn': [ROLE_ARN, OPERATOR_ROLE_ARN] },
        Bool: { 'aws:PrincipalIsAWSService': 'false' },
      },
    ],
  ]);
});

test('no policy grants anything on an alias: that grants nothing at all', () => {
  for (const { properties } of deploy(EVERYTHING_NEW).resources.values()) {
    for (const statement of [at(properties, 'PolicyDocument', 'Statement') ?? []].flat()) {
      expect(texts(object(statement)['Resource']).filter((resource) => resource.includes(':alias/'))).toEqual([]);
    }
  }
});

describe('the monitoring key', () => {
  const services = (stack: Stack, ...path: readonly [string, ...string[]]) =>
    list(stack.property(path[0], ...path.slice(1), 'Statement')).flatMap((statement) => {
      const service = at(statement, 'Principal', 'Service');
      return service === undefined ? [] : [[text(service), at(statement, 'Condition') !== undefined] as const];
    });

  test('admits alarms, notices and logs; a condition would keep every notice of EventBridge out', () => {
    expect(services(deploy({ CreateTrail: 'false' }), 'MonitoringKey', 'KeyPolicy')).toEqual([
      ['cloudwatch.amazonaws.com', true],
      ['events.amazonaws.com', false],
      ['logs.us-east-1.amazonaws.com', true],
    ]);
  });

  test('admits CloudTrail, for the trail of this stack only, where it makes one', () => {
    expect(services(deploy(), 'MonitoringKey', 'KeyPolicy').at(-1)).toEqual(['cloudtrail.amazonaws.com', true]);
  });

  test('is not the key of the secret, which needs none of these', () => {
    const { property } = deploy();
    const key = text(property('AlertTopic', 'KmsMasterKeyId'));
    expect(key).not.toBe(property('EncryptionKeySecret', 'KmsKeyId'));
    expect([property('KeyRotationLogGroup', 'KmsKeyId'), property('TrailLogGroup', 'KmsKeyId')]).toEqual([key, key]);
  });

  test('encrypts a topic that lets alarms and notices in', () => {
    expect(services(deploy(), 'AlertTopicPolicy', 'PolicyDocument')).toEqual([
      ['cloudwatch.amazonaws.com', true],
      ['events.amazonaws.com', false],
    ]);
  });
});
