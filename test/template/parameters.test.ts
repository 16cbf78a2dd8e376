import { checkRules } from '../../src/local/service/schedule.ts';
import { REPLICAS, TAKE_OVER } from './support/deployments.ts';
import { at, list, object, text } from './support/json.ts';
import { refusals } from './support/parameters.ts';
import { brokenRules } from './support/stack.ts';
import { TEMPLATE } from './support/template-file.ts';

const GROUPS = list(at(TEMPLATE, 'Metadata', 'AWS::CloudFormation::Interface', 'ParameterGroups'));
const PARAMETERS = object(TEMPLATE['Parameters']);

test('every parameter has a description and a default, and is in exactly one group of the console', () => {
  const grouped = GROUPS.flatMap((group) => list(at(group, 'Parameters')).map(text));
  expect(grouped.toSorted()).toEqual(Object.keys(PARAMETERS).toSorted());
  for (const [name, parameter] of Object.entries(PARAMETERS)) {
    expect([name, text(at(parameter, 'Description')).length > 20]).toEqual([name, true]);
    expect([name, at(parameter, 'Default')]).not.toEqual([name, undefined]);
  }
});

test('the defaults deploy', () => {
  expect([...refusals({}), ...brokenRules({})]).toEqual([]);
});

test.each([
  ['RotationDays', '0', '1 to 1000'],
  ['RotationDays', '1001', '1 to 1000'],
  ['RotationDays', '1.5', 'whole number'],
  ['RotationDays', '01', '1 to 1000'],
  ['RotationDays', '-1', '1 to 1000'],
  ['RotationDays', '', '1 to 1000'],
  ['RotationDays', 'yearly', '1 to 1000'],
  ['SecretName', 'pazpaz/encryption key', 'no spaces'],
  ['SecretName', '', '1 to 80 characters'],
  ['SecretName', 'a'.repeat(81), '1 to 80 characters'],
  ['SecretName', 'pazpaz/key"*', '1 to 80 characters'],
  ['NamePrefix', 'Paz Paz', 'letters, digits and hyphens'],
  ['KeyAliasName', 'pazpaz-secrets', 'begin with alias/'],
  ['KeyAliasName', 'alias/aws/secretsmanager', 'not alias/aws/'],
  ['ExistingSecretArn', 'pazpaz/encryption-key-v1', 'complete ARN'],
  [
    'ExistingSecretArn',
    'arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/encryption-key-v1',
    'six characters',
  ],
  ['ExistingSecretArn', 'arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012', 'complete ARN'],
  ['ExistingKmsKeyArn', 'arn:aws:kms:us-east-1:123456789012:alias/pazpaz-secrets', 'not of an alias'],
  ['FormerKmsKeyArn', '12345678-1234-1234-1234-123456789012', 'ARN of a KMS key'],
  ['ExistingSecretName', 'pazpaz/encryption key', 'a digit or one of'],
  ['ExistingSecretName', 'a'.repeat(81), '1 to 80 characters'],
  ['RotationScheduleExpression', 'every year', 'rate(1 day) to rate(999 days)'],
  ['RotationScheduleExpression', 'rate(0 days)', 'rate(1 day) to rate(999 days)'],
  ['RotationScheduleExpression', 'rate(1000 days)', 'rate(1 day) to rate(999 days)'],
  ['RotationScheduleExpression', 'rate(1001 days)', 'rate(1 day) to rate(999 days)'],
  ['RotationScheduleExpression', 'rate(1.5 days)', 'rate(1 day) to rate(999 days)'],
  ['RotationScheduleExpression', 'rate(1 hour)', 'rate(1 day) to rate(999 days)'],
  ['RotationScheduleExpression', 'rate(4 hours)', 'rate(1 day) to rate(999 days)'],
  ['RotationScheduleExpression', 'rate(8760 hours)', 'rate(1 day) to rate(999 days)'],
  ['RotationScheduleExpression', 'cron(30 3 1 2 ? *)', 'cron(0 HOUR'],
  ['RotationScheduleExpression', 'cron(0 24 1 2 ? *)', 'with one hour'],
  ['RotationScheduleExpression', 'cron(0 */4 * * ? *)', 'with one hour'],
  ['RotationScheduleExpression', 'cron(0 3,15 * * ? *)', 'with one hour'],
  ['RotationScheduleExpression', 'cron(0 * 1 2 ? *)', 'with one hour'],
  ['RotationScheduleExpression', 'cron(0 3 1 2 ? 2027)', 'cron(0 HOUR'],
  ['RotationScheduleExpression', 'cron(0 3 1 2 * *)', 'with ? as DAY or as WEEKDAY'],
  ['RotationScheduleExpression', 'cron(0 3 ? 2 ? *)', 'with ? as DAY or as WEEKDAY'],
  ['RotationScheduleExpression', 'cron(0 3 1 2 ?)', 'cron(0 HOUR'],
  ['RotationWindow', '0h', '1h to 24h'],
  ['RotationWindow', '25h', '1h to 24h'],
  ['TaskRoleName', 'arn:aws:iam::123456789012:role/PazPazECSTaskRole', 'not its ARN'],
  ['OperatorRoleArn', 'arn:aws:iam::123456789012:user/ops', 'ARN of an IAM role'],
  ['PermissionsBoundaryArn', 'Boundary', 'ARN of an IAM policy'],
  ['ExistingTopicArn', 'security-alerts', 'ARN of a standard SNS topic'],
  ['AlertEmail', 'nobody', 'e-mail address'],
  ['ReadsPerHour', '0', '1 or more'],
  ['EncryptionsPerDay', '0', '1 or more'],
  ['TrailLogGroupName', 'arn:aws:logs:us-east-1:123456789012:log-group:trail', 'not its ARN'],
  ['VpcSubnetIds', 'subnet-0123456789abcdef0,vpc-1', 'subnet ids'],
  ['VpcSecurityGroupIds', 'default', 'security group ids'],
  ['FirstReplicaRegion', 'Ireland', 'a region such as'],
])('%s = %j is refused with a message that says what it must be', (name, value, message) => {
  expect(refusals({ [name]: value })).toEqual([expect.stringContaining(message)]);
  expect(refusals({ [name]: value })[0]).toContain(name);
});

test.each([
  ['RotationDays', '1'],
  ['RotationDays', '1000'],
  ['SecretName', 'pazpaz/encryption-key-v1'],
  ['KeyAliasName', ''],
  [
    'ExistingSecretArn',
    'arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:pazpaz/encryption-key-v1-AbCdEf',
  ],
  ['ExistingKmsKeyArn', 'arn:aws:kms:us-east-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab'],
  ['RotationWindow', '3h'],
  ['OperatorRoleArn', 'arn:aws:iam::123456789012:role/teams/ops/KeyOperator'],
  ['PermissionsBoundaryArn', 'arn:aws:iam::aws:policy/PowerUserAccess'],
  ['VpcSubnetIds', 'subnet-0123456789abcdef0,subnet-0123456789abcdef1'],
  ['FirstReplicaRegion', 'us-gov-east-1'],
])('%s = %j is accepted', (name, value) => {
  expect(refusals({ [name]: value })).toEqual([]);
});

test.each([
  'rate(1 day)',
  'rate(90 days)',
  'rate(999 days)',
  'cron(0 3 1 2 ? *)',
  'cron(0 03 1 2 ? *)',
  'cron(0 23 ? 1/3 SUN#1 *)',
  'cron(0 0 L JAN,JUL ? *)',
  'cron(0 12 ? * 2-6 *)',
  'cron(0 12 */5 1-6 ? *)',
])('RotationScheduleExpression = %s is accepted, by Secrets Manager as well', (ScheduleExpression) => {
  expect(refusals({ RotationScheduleExpression: ScheduleExpression })).toEqual([]);
  // The local service's own rules follow 'Rotation schedules' of the user guide.
  expect(() => {
    checkRules({ ScheduleExpression });
  }).not.toThrow();
});

describe('parameters that need each other', () => {
  const key = 'arn:aws:kms:eu-west-1:123456789012:key/12345678-1234-1234-1234-123456789012';

  test('a replica region without a KMS key there is refused', () => {
    expect(brokenRules({ FirstReplicaRegion: 'eu-west-1' })).toEqual([
      expect.stringContaining('FirstReplicaKmsKeyArn'),
    ]);
    expect(brokenRules({ SecondReplicaRegion: 'eu-west-1' })).toEqual([
      expect.stringContaining('SecondReplicaKmsKeyArn'),
    ]);
    expect(brokenRules({ FirstReplicaRegion: 'eu-west-1', FirstReplicaKmsKeyArn: key })).toEqual([]);
  });

  test('a secret that is taken over is named by its ARN and by its name, never by one of them alone', () => {
    const { ExistingSecretArn = '', ExistingSecretName = '' } = TAKE_OVER;
    expect(brokenRules({ ExistingSecretArn })).toEqual([expect.stringContaining('Give ExistingSecretName')]);
    expect(brokenRules({ ExistingSecretName })).toEqual([expect.stringContaining('Give ExistingSecretArn')]);
    expect(brokenRules({ ExistingSecretArn, ExistingSecretName })).toEqual([]);
  });

  test('a secret that is taken over may have replicas', () => {
    expect(brokenRules({ ...TAKE_OVER, ...REPLICAS })).toEqual([]);
  });
});
