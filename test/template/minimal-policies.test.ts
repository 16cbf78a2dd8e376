import { SECRET_ARN } from './support/cloudtrail-events.ts';
import { EVERYTHING_NEW, FORMER_KMS_KEY_ARN, REPLICAS } from './support/deployments.ts';
import { at, list, object, text, texts, type Json } from './support/json.ts';
import { isAllowed, type Call } from './support/policy-evaluation.ts';
import { deploy } from './support/stack.ts';

/**
 * Each action that the stack allows to a person, an application or a function stands beside the one call that needs it.
 * Without the action that call is denied, so nothing else allows it; an action without a call fails. The grants to AWS's
 * services are in service-policies.test.ts.
 */
const stack = deploy({ ...EVERYTHING_NEW, FormerKmsKeyArn: FORMER_KMS_KEY_ARN });

const FUNCTION = 'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation';
const LOG = 'arn:aws:logs:us-east-1:123456789012:log-group:pazpaz-KeyRotationLogGroup:log-stream:x';
const KEY = text(stack.property('EncryptionKeySecret', 'KmsKeyId'));
const ELSEWHERE = SECRET_ARN.replace('us-east-1', 'eu-west-1');
const FROM_OUTSIDE = { 'lambda:SourceFunctionArn': 'none' };
const through = (region: string) => ({
  'kms:ViaService': `secretsmanager.${region}.amazonaws.com`,
  'kms:EncryptionContext:SecretARN': SECRET_ARN,
});

/** Why an action is there: in words, and on what and how it is called. */
type Need = readonly [why: string, resource: string, context?: Readonly<Record<string, string>>];

/** By policy, statement and action. */
const NEEDS: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, Need>>>>>> = {
  KeyRotationRolePolicy: {
    RotateThisSecret: {
      'secretsmanager:DescribeSecret': ['every step looks at the labels', SECRET_ARN],
      'secretsmanager:GetSecretValue': [
        'createSecret reads every key; testSecret and finishSecret the new one',
        SECRET_ARN,
      ],
      'secretsmanager:PutSecretValue': ['createSecret writes the new key', SECRET_ARN],
      'secretsmanager:UpdateSecretVersionStage': ['finishSecret and adoption move labels', SECRET_ARN],
    },
    UseItsKmsKeyThroughSecretsManager: {
      'kms:Decrypt': ['Secrets Manager decrypts what GetSecretValue reads', KEY, through('us-east-1')],
      'kms:GenerateDataKey': ['Secrets Manager encrypts what PutSecretValue writes', KEY, through('us-east-1')],
    },
    ReadWhatTheFormerKmsKeyEncrypted: {
      'kms:Decrypt': ['older numbered keys are under the former KMS key', FORMER_KMS_KEY_ARN, through('us-east-1')],
    },
    WriteLogs: {
      'logs:CreateLogStream': ['Lambda opens a stream for each instance', LOG],
      'logs:PutLogEvents': ['Lambda writes the log', LOG],
    },
    WriteTraces: {
      'xray:PutTraceSegments': ['active tracing', '*'],
      'xray:PutTelemetryRecords': ['active tracing', '*'],
    },
    ReportFailedAdoptions: {
      'sqs:SendMessage': [
        'Lambda reports an adoption that failed',
        'arn:aws:sqs:us-east-1:123456789012:AdoptionFailureQueue',
      ],
    },
    // 'Giving Lambda functions access to resources in an Amazon VPC' lists these for the function's role.
    UseNetworkInterfaces: {
      'ec2:CreateNetworkInterface': ['Lambda joins the VPC', '*', FROM_OUTSIDE],
      'ec2:DescribeNetworkInterfaces': ['Lambda waits for its interface', '*', FROM_OUTSIDE],
      'ec2:DescribeSubnets': ['Lambda checks the subnets', '*', FROM_OUTSIDE],
      'ec2:DeleteNetworkInterface': ['Lambda leaves the VPC', '*', FROM_OUTSIDE],
      'ec2:AssignPrivateIpAddresses': ['Lambda shares an interface', '*', FROM_OUTSIDE],
      'ec2:UnassignPrivateIpAddresses': ['Lambda shares an interface', '*', FROM_OUTSIDE],
    },
  },
  ReadOnlyPolicy: {
    ReadEncryptionKey: {
      'secretsmanager:GetSecretValue': ['the ring reads keys', SECRET_ARN],
      'secretsmanager:DescribeSecret': ['the ring looks at the labels', SECRET_ARN],
    },
    DecryptWithKMS: {
      'kms:Decrypt': ['Secrets Manager decrypts what GetSecretValue reads', KEY, through('us-east-1')],
    },
  },
  AdminPolicy: {
    ManageSecrets: {
      'secretsmanager:*': ['the commands write, tag, rotate; a person deletes, replicates, restores', SECRET_ARN],
    },
    // 'UpdateSecret' (API reference): a new KMS key for the secret takes all three.
    UseKmsKeyThroughSecretsManager: {
      'kms:Decrypt': ['`status` and the other commands read keys', KEY, through('us-east-1')],
      'kms:Encrypt': ['UpdateSecret gives the secret another KMS key', KEY, through('us-east-1')],
      'kms:GenerateDataKey': ['`put` writes a key', KEY, through('us-east-1')],
    },
    DescribeKmsKey: { 'kms:DescribeKey': ['`doctor` looks at the state of the KMS key', KEY] },
    ListSecrets: { 'secretsmanager:ListSecrets': ['the commands name secrets where one is not found', '*'] },
    LookAtTheFunction: { 'lambda:GetFunctionConfiguration': ['`doctor` looks at the function', FUNCTION] },
    // 'RotateSecret' (API reference): "You also need lambda:InvokeFunction permissions on the rotation function."
    RunTheFunction: { 'lambda:InvokeFunction': ['`rotate`, and AdoptNowCommand', FUNCTION] },
    ReadItsLog: { 'logs:FilterLogEvents': ['`rotate --wait` and `doctor` say why a rotation failed', LOG] },
    CountEncryptions: { 'cloudwatch:GetMetricStatistics': ['`status` says how often a key has encrypted', '*'] },
    ReadReplicas: {
      'secretsmanager:DescribeSecret': ['`doctor` looks at the replicas', ELSEWHERE],
      'secretsmanager:GetSecretValue': ['`doctor` reads a key of a replica', ELSEWHERE],
    },
    DecryptReplicas: {
      'kms:Decrypt': [
        'Secrets Manager decrypts it there',
        text(REPLICAS['FirstReplicaKmsKeyArn']),
        through('eu-west-1'),
      ],
    },
  },
};

/** Every action that these policies allow: `[policy, statement, action]`. */
const GRANTED = Object.keys(NEEDS).flatMap((policy) =>
  statementsOf(policy)
    .filter((statement) => at(statement, 'Effect') === 'Allow')
    .flatMap((statement) => texts(at(statement, 'Action')).map((action) => [policy, sid(statement), action] as const)),
);

test.each(GRANTED)('%s, %s: %s is needed, and nothing else allows it', (policy, statement, action) => {
  const [why = '', resource = '', context = {}] = NEEDS[policy]?.[statement]?.[action] ?? [];
  expect(why).not.toBe('');
  const call: Call = { action: action.replace('*', 'PutSecretValue'), resource, context };
  const whole = document(policy, () => true);
  const without = document(policy, (name, one) => name !== statement || one !== action);
  expect([isAllowed([whole], call), isAllowed([without], call)]).toEqual([true, false]);
});

test('every need is met by a statement of the template, and no other policy of the stack allows anything to people', () => {
  const needed = Object.entries(NEEDS).flatMap(([policy, statements]) =>
    Object.entries(statements).flatMap(([name, actions]) =>
      Object.keys(actions).map((action) => [policy, name, action]),
    ),
  );
  expect(needed.toSorted()).toEqual(GRANTED.map((grant) => [...grant]).toSorted());
  const policies = [...stack.resources]
    .filter(([, { type }]) => /^AWS::IAM::(Managed)?Policy$/.test(type))
    .map(([name]) => name);
  // The role of the trail is CloudTrail's: service-policies.test.ts.
  expect(policies.toSorted()).toEqual([...Object.keys(NEEDS), 'TrailRolePolicy'].toSorted());
});

function statementsOf(policy: string): readonly Json[] {
  return list(stack.property(policy, 'PolicyDocument', 'Statement'));
}

function sid(statement: Json): string {
  return text(at(statement, 'Sid'));
}

/** The policy with those of its actions for which `keeps` holds. */
function document(policy: string, keeps: (statement: string, action: string) => boolean): Json {
  const Statement = statementsOf(policy).map((statement) => ({
    ...object(statement),
    Action: texts(at(statement, 'Action')).filter((action) => keeps(sid(statement), action)),
  }));
  return { Statement };
}
