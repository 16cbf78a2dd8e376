import { readFileSync } from 'node:fs';
import { at, object, parseJson, text } from './support/json.ts';
import { isAllowed } from './support/policy-evaluation.ts';
import { TEMPLATE } from './support/template-file.ts';

const POLICY = parseJson(readFileSync('docs/deployer-policy.json', 'utf8'));
const GENERATED = 'pazpaz-key-rotation';

/**
 * For each type of the template, an ARN as the stack names it, and the calls by which CloudFormation makes, changes and
 * deletes it: `handlers` of the type's schema in the CloudFormation registry, as far as the template uses the type.
 */
const NEEDED: Readonly<Record<string, readonly [resource: string, ...actions: string[]]>> = {
  'AWS::CloudFormation::WaitConditionHandle': ['*'],
  'AWS::CloudTrail::Trail': [
    'arn:aws:cloudtrail:us-east-1:123456789012:trail/PazPazTrail',
    ...['CreateTrail', 'StartLogging', 'StopLogging', 'UpdateTrail', 'DeleteTrail', 'GetTrail', 'GetTrailStatus'].map(
      (name) => `cloudtrail:${name}`,
    ),
    ...['GetEventSelectors', 'ListTags', 'AddTags'].map((name) => `cloudtrail:${name}`),
  ],
  'AWS::CloudWatch::Alarm': [
    'arn:aws:cloudwatch:us-east-1:123456789012:alarm:PazPazRotationOff',
    ...['cloudwatch:PutMetricAlarm', 'cloudwatch:DeleteAlarms', 'cloudwatch:DescribeAlarms'],
  ],
  'AWS::CloudWatch::Dashboard': [
    'arn:aws:cloudwatch::123456789012:dashboard/PazPazKeyRotation',
    ...['cloudwatch:PutDashboard', 'cloudwatch:GetDashboard', 'cloudwatch:DeleteDashboards'],
  ],
  'AWS::Events::Rule': [
    `arn:aws:events:us-east-1:123456789012:rule/${GENERATED}-AdoptionTick-A1B2`,
    ...['events:PutRule', 'events:PutTargets', 'events:RemoveTargets', 'events:DeleteRule', 'events:DescribeRule'],
  ],
  'AWS::IAM::ManagedPolicy': [
    'arn:aws:iam::123456789012:policy/PazPazSecretsReadOnly',
    ...['iam:CreatePolicy', 'iam:CreatePolicyVersion', 'iam:DeletePolicy', 'iam:DeletePolicyVersion', 'iam:GetPolicy'],
    ...['iam:GetPolicyVersion', 'iam:ListPolicyVersions', 'iam:ListEntitiesForPolicy'],
  ],
  'AWS::IAM::Policy': [
    `arn:aws:iam::123456789012:role/${GENERATED}-KeyRotationRole-A1B2`,
    ...['iam:PutRolePolicy', 'iam:GetRolePolicy', 'iam:DeleteRolePolicy'],
  ],
  'AWS::IAM::Role': [
    `arn:aws:iam::123456789012:role/${GENERATED}-KeyRotationRole-A1B2`,
    ...['iam:CreateRole', 'iam:GetRole', 'iam:DeleteRole', 'iam:UpdateRole', 'iam:UpdateAssumeRolePolicy'],
    ...['iam:PutRolePermissionsBoundary', 'iam:DeleteRolePermissionsBoundary', 'iam:TagRole'],
  ],
  'AWS::KMS::Alias': ['*', 'kms:CreateAlias', 'kms:UpdateAlias', 'kms:DeleteAlias', 'kms:ListAliases'],
  'AWS::KMS::Key': [
    'arn:aws:kms:us-east-1:123456789012:key/any',
    ...['kms:CreateKey', 'kms:DescribeKey', 'kms:EnableKeyRotation', 'kms:PutKeyPolicy', 'kms:ScheduleKeyDeletion'],
    ...['kms:GetKeyPolicy', 'kms:GetKeyRotationStatus', 'kms:TagResource', 'kms:ListResourceTags'],
  ],
  'AWS::Lambda::EventInvokeConfig': [
    'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation',
    ...['lambda:PutFunctionEventInvokeConfig', 'lambda:DeleteFunctionEventInvokeConfig'],
  ],
  'AWS::Lambda::Permission': [
    'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation',
    ...['lambda:AddPermission', 'lambda:GetPolicy', 'lambda:RemovePermission'],
  ],
  'AWS::Logs::LogGroup': [
    `arn:aws:logs:us-east-1:123456789012:log-group:${GENERATED}-KeyRotationLogGroup-A1B2`,
    ...['logs:CreateLogGroup', 'logs:PutRetentionPolicy', 'logs:AssociateKmsKey', 'logs:DescribeLogGroups'],
    ...['logs:DeleteLogGroup', 'logs:ListTagsForResource', 'logs:TagResource'],
  ],
  'AWS::Logs::MetricFilter': ['*', 'logs:PutMetricFilter', 'logs:DescribeMetricFilters', 'logs:DeleteMetricFilter'],
  'AWS::Logs::QueryDefinition': [
    '*',
    ...['logs:PutQueryDefinition', 'logs:DescribeQueryDefinitions', 'logs:DeleteQueryDefinition'],
  ],
  'AWS::S3::Bucket': [
    `arn:aws:s3:::${GENERATED}-trailbucket-a1b2`,
    ...['s3:CreateBucket', 's3:PutEncryptionConfiguration', 's3:PutBucketVersioning', 's3:PutLifecycleConfiguration'],
    ...['s3:PutBucketPublicAccessBlock', 's3:PutBucketOwnershipControls', 's3:DeleteBucket'],
  ],
  'AWS::S3::BucketPolicy': [`arn:aws:s3:::${GENERATED}-trailbucket-a1b2`, 's3:PutBucketPolicy', 's3:GetBucketPolicy'],
  'AWS::SNS::Subscription': ['arn:aws:sns:us-east-1:123456789012:PazPazKeyAlerts', 'sns:Subscribe', 'sns:Unsubscribe'],
  'AWS::SNS::Topic': [
    'arn:aws:sns:us-east-1:123456789012:PazPazKeyAlerts',
    ...['sns:CreateTopic', 'sns:GetTopicAttributes', 'sns:SetTopicAttributes', 'sns:DeleteTopic'],
  ],
  'AWS::SNS::TopicPolicy': ['arn:aws:sns:us-east-1:123456789012:PazPazKeyAlerts', 'sns:SetTopicAttributes'],
  'AWS::SQS::Queue': [
    `arn:aws:sqs:us-east-1:123456789012:${GENERATED}-AdoptionFailureQueue-A1B2`,
    ...['sqs:CreateQueue', 'sqs:GetQueueAttributes', 'sqs:SetQueueAttributes', 'sqs:DeleteQueue'],
  ],
  'AWS::SecretsManager::ResourcePolicy': [
    'arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/encryption-key-v1-AbCdEf',
    ...['PutResourcePolicy', 'GetResourcePolicy', 'DeleteResourcePolicy'].map((name) => `secretsmanager:${name}`),
  ],
  'AWS::SecretsManager::RotationSchedule': [
    'arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/encryption-key-v1-AbCdEf',
    ...['RotateSecret', 'CancelRotateSecret', 'DescribeSecret'].map((name) => `secretsmanager:${name}`),
  ],
  'AWS::SecretsManager::Secret': [
    'arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/encryption-key-v1-AbCdEf',
    ...['CreateSecret', 'UpdateSecret', 'DeleteSecret', 'TagResource'].map((name) => `secretsmanager:${name}`),
    ...['ReplicateSecretToRegions', 'RemoveRegionsFromReplication'].map((name) => `secretsmanager:${name}`),
  ],
  'AWS::Serverless::Function': [
    'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation',
    ...['CreateFunction', 'GetFunction', 'UpdateFunctionCode', 'UpdateFunctionConfiguration', 'DeleteFunction'].map(
      (name) => `lambda:${name}`,
    ),
    ...['lambda:TagResource', 'lambda:InvokeFunction'],
  ],
};

const TYPES = [...new Set(Object.values(object(TEMPLATE['Resources'])).map((raw) => text(at(raw, 'Type'))))];

test('the deployer’s policy allows what CloudFormation does with every type of the template', () => {
  expect(Object.keys(NEEDED).toSorted()).toEqual(TYPES.toSorted());
  const calls = Object.values(NEEDED).flatMap(([resource, ...actions]) =>
    actions.map((action) => ({ action, resource })),
  );
  expect(calls.filter((call) => !isAllowed([POLICY], call))).toEqual([]);
});

test('the deployer’s policy reads no key, and attaches no policy but the read-only one to other roles', () => {
  const secret = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/encryption-key-v1-AbCdEf';
  const may = (action: string, resource: string, context = {}) => isAllowed([POLICY], { action, resource, context });
  expect(may('secretsmanager:GetSecretValue', secret)).toBe(false);
  expect(may('secretsmanager:PutSecretValue', secret)).toBe(false);
  const role = 'arn:aws:iam::123456789012:role/PazPazECSTaskRole';
  const attach = (policy: string) => may('iam:AttachRolePolicy', role, { 'iam:PolicyARN': policy });
  expect(attach('arn:aws:iam::123456789012:policy/PazPazSecretsReadOnly')).toBe(true);
  expect(attach('arn:aws:iam::aws:policy/AdministratorAccess')).toBe(false);
  const pass = (service: string) =>
    may('iam:PassRole', `arn:aws:iam::123456789012:role/${GENERATED}-KeyRotationRole-A1B2`, {
      'iam:PassedToService': service,
    });
  expect([pass('lambda.amazonaws.com'), pass('ec2.amazonaws.com')]).toEqual([true, false]);
});
