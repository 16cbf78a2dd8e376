import { SECRET_ARN, SECRET_NAME } from './cloudtrail-events.ts';
import type { Parameters } from './parameters.ts';

/** The ways to deploy that differ in what is made; the property test of stack.test.ts mixes them. */
export const KMS_KEY_ARN = 'arn:aws:kms:us-east-1:123456789012:key/aaaaaaaa-1111-4222-8333-444444444444';
export const FORMER_KMS_KEY_ARN = 'arn:aws:kms:us-east-1:123456789012:key/bbbbbbbb-1111-4222-8333-444444444444';
export const OPERATOR_ROLE_ARN = 'arn:aws:iam::123456789012:role/KeyOperator';

/** Each parameter that decides what is made, with a value that takes it away from its default. */
export const OPTIONS: Parameters = {
  ExistingSecretArn: SECRET_ARN,
  ExistingSecretName: SECRET_NAME,
  ExistingKmsKeyArn: KMS_KEY_ARN,
  FormerKmsKeyArn: FORMER_KMS_KEY_ARN,
  KeyAliasName: '',
  RotationScheduleExpression: 'cron(0 3 1 2 ? *)',
  RotationWindow: '3h',
  TaskRoleName: 'PazPazECSTaskRole',
  OperatorRoleArn: OPERATOR_ROLE_ARN,
  ExistingTopicArn: 'arn:aws:sns:us-east-1:123456789012:security-alerts',
  AlertEmail: 'ops@example.com',
  TrailLogGroupName: 'cloudtrail',
  CreateTrail: 'false',
  ApplicationLogGroupName: '/ecs/pazpaz-api',
  VpcSubnetIds: 'subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  VpcSecurityGroupIds: 'sg-0123456789abcdef0',
  FirstReplicaRegion: 'eu-west-1',
  FirstReplicaKmsKeyArn: 'arn:aws:kms:eu-west-1:123456789012:key/cccccccc-1111-4222-8333-444444444444',
  SecondReplicaRegion: 'eu-central-1',
  SecondReplicaKmsKeyArn: 'arn:aws:kms:eu-central-1:123456789012:key/dddddddd-1111-4222-8333-444444444444',
};

/** A secret that has data already is taken over, with its KMS key and the one it had before. */
export const TAKE_OVER: Parameters = {
  ExistingSecretArn: SECRET_ARN,
  ExistingSecretName: SECRET_NAME,
  ExistingKmsKeyArn: KMS_KEY_ARN,
  FormerKmsKeyArn: FORMER_KMS_KEY_ARN,
  KeyAliasName: '',
};

/** A secret that has another name than the one that a new one would get. */
export const OTHER_SECRET_ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:acme/data-key-GhIjKl';
export const OTHER_TAKE_OVER: Parameters = {
  ...TAKE_OVER,
  ExistingSecretArn: OTHER_SECRET_ARN,
  ExistingSecretName: 'acme/data-key',
};

/** Regions that have a replica, with the KMS key there. */
export const REPLICAS: Parameters = Object.fromEntries(
  Object.entries(OPTIONS).filter(([name]) => name.includes('Replica')),
);

/** A new secret with all that can be added to it. */
export const EVERYTHING_NEW: Parameters = Object.fromEntries(
  Object.entries(OPTIONS).filter(
    ([name]) => !/^Existing|^FormerKmsKeyArn$|^KeyAliasName$|^TrailLogGroupName$|^CreateTrail$/.test(name),
  ),
);
