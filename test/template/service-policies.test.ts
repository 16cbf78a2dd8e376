import { EVERYTHING_NEW } from './support/deployments.ts';
import { at, isObject, list, object, text, texts, type Json } from './support/json.ts';
import { deploy } from './support/stack.ts';

/** What AWS's services may do with what the stack makes. Policies of people and of the function: policies.test.ts. */
const stack = deploy(EVERYTHING_NEW);

const ACCOUNT_ROOT = 'AWS arn:aws:iam::123456789012:root';
const OF_THIS_ACCOUNT = { StringEquals: { 'aws:SourceAccount': '123456789012' } };
const OF_THIS_TRAIL = { 'aws:SourceArn': 'arn:aws:cloudtrail:us-east-1:123456789012:trail/PazPazTrail' };
const BUCKET = 'arn:aws:s3:::pazpaz-trailbucket';
const TOPIC = 'arn:aws:sns:us-east-1:123456789012:PazPazKeyAlerts';
const ALARMS_AND_NOTICES = ['kms:Decrypt', 'kms:GenerateDataKey*'];

/** Effect, who, actions, resources, conditions. A key's policy and a role's trust have no resource but themselves. */
type Row = readonly [string, string, readonly string[], readonly string[], Json?];

const TABLE: Readonly<Record<string, readonly Row[]>> = {
  'SecretsKey KeyPolicy': [['Allow', ACCOUNT_ROOT, ['kms:*'], ['*']]],
  'MonitoringKey KeyPolicy': [
    ['Allow', ACCOUNT_ROOT, ['kms:*'], ['*']],
    ['Allow', 'Service cloudwatch.amazonaws.com', ALARMS_AND_NOTICES, ['*'], OF_THIS_ACCOUNT],
    // With a condition no notice would arrive.
    ['Allow', 'Service events.amazonaws.com', ALARMS_AND_NOTICES, ['*']],
    [
      'Allow',
      'Service logs.us-east-1.amazonaws.com',
      ['kms:Encrypt', 'kms:Decrypt', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:Describe*'],
      ['*'],
      { ArnLike: { 'kms:EncryptionContext:aws:logs:arn': 'arn:aws:logs:us-east-1:123456789012:log-group:*' } },
    ],
    [
      'Allow',
      'Service cloudtrail.amazonaws.com',
      ['kms:GenerateDataKey*', 'kms:DescribeKey'],
      ['*'],
      { StringEquals: OF_THIS_TRAIL },
    ],
  ],
  'KeyRotationRole AssumeRolePolicyDocument': [['Allow', 'Service lambda.amazonaws.com', ['sts:AssumeRole'], []]],
  'TrailRole AssumeRolePolicyDocument': [['Allow', 'Service cloudtrail.amazonaws.com', ['sts:AssumeRole'], []]],
  'TrailRolePolicy PolicyDocument': [
    [
      'Allow',
      '',
      ['logs:CreateLogStream', 'logs:PutLogEvents'],
      ['arn:aws:logs:us-east-1:123456789012:log-group:pazpaz-TrailLogGroup:*'],
    ],
  ],
  'TrailBucketPolicy PolicyDocument': [
    ['Allow', 'Service cloudtrail.amazonaws.com', ['s3:GetBucketAcl'], [BUCKET], { StringEquals: OF_THIS_TRAIL }],
    [
      'Allow',
      'Service cloudtrail.amazonaws.com',
      ['s3:PutObject'],
      [`${BUCKET}/AWSLogs/123456789012/*`],
      { StringEquals: { 's3:x-amz-acl': 'bucket-owner-full-control', ...OF_THIS_TRAIL } },
    ],
    ['Deny', '*', ['s3:*'], [BUCKET, `${BUCKET}/*`], { Bool: { 'aws:SecureTransport': 'false' } }],
  ],
  'AlertTopicPolicy PolicyDocument': [
    ['Allow', 'Service cloudwatch.amazonaws.com', ['sns:Publish'], [TOPIC], OF_THIS_ACCOUNT],
    ['Allow', 'Service events.amazonaws.com', ['sns:Publish'], [TOPIC]],
  ],
};

/** Those whose tables are in policies.test.ts. */
const ELSEWHERE = [
  'AdminPolicy PolicyDocument',
  'KeyRotationRolePolicy PolicyDocument',
  'ReadOnlyPolicy PolicyDocument',
  'SecretPolicy ResourcePolicy',
];

function rowOf(statement: Json): Row {
  const { Effect, Principal, Action, Resource, Condition } = object(statement);
  const caller = isObject(Principal)
    ? Object.entries(Principal).map(([kind, name]) => `${kind} ${text(name)}`)
    : texts(Principal ?? []);
  const resources = Resource === undefined ? [] : texts(Resource);
  return Condition === undefined
    ? [text(Effect), caller.join(), texts(Action), resources]
    : [text(Effect), caller.join(), texts(Action), resources, Condition];
}

test.each(Object.entries(TABLE))('%s says this and no more', (name, expected) => {
  const [logicalId = '', property = ''] = name.split(' ');
  expect(list(stack.property(logicalId, property, 'Statement')).map(rowOf)).toEqual(expected);
});

test('there is no policy in the stack that no table checks', () => {
  const documents = [...stack.resources].flatMap(([logicalId, { properties }]) =>
    Object.entries(properties)
      .filter(([, value]) => isObject(value) && at(value, 'Statement') !== undefined)
      .map(([property]) => `${logicalId} ${property}`),
  );
  expect(documents.toSorted()).toEqual([...Object.keys(TABLE), ...ELSEWHERE].toSorted());
});
