import { SECRET_ARN } from './cloudtrail-events.ts';
import { OPERATOR_ROLE_ARN } from './deployments.ts';
import { text, type Json } from './json.ts';
import { isAllowed, type Call } from './policy-evaluation.ts';
import type { Stack } from './stack.ts';

const role = (name: string) => `arn:aws:iam::123456789012:role/${name}`;

/** What only the function and the operator may do with the secret where an operator role is given. */
export const GUARDED_CALLS = [
  'PutSecretValue',
  'UpdateSecret',
  'UpdateSecretVersionStage',
  'PutResourcePolicy',
  'DeleteResourcePolicy',
  'RotateSecret',
  'CancelRotateSecret',
  'TagResource',
  'UntagResource',
  'DeleteSecret',
  'ReplicateSecretToRegions',
  'RemoveRegionsFromReplication',
  'StopReplicationToReplica',
] as const;

/** Everything everywhere: AWS's managed policy AdministratorAccess. */
export const EVERYTHING = { Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };
/** What AWS's managed policies for auditors allow of these services: settings, never a value. */
const LOOKING = {
  Statement: [
    {
      Effect: 'Allow',
      Action: [
        ...['secretsmanager:DescribeSecret', 'secretsmanager:GetResourcePolicy', 'secretsmanager:ListSecrets'],
        ...['kms:DescribeKey', 'lambda:GetFunctionConfiguration', 'logs:FilterLogEvents', 'cloudtrail:DescribeTrails'],
        'cloudwatch:GetMetricStatistics',
      ],
      Resource: '*',
    },
  ],
};

export interface Principal {
  readonly name: string;
  readonly arn: string;
  readonly policy: Json | undefined;
}

/** Five principals of an account with this stack, each with the policy that it has in IAM. */
export function principals(stack: Stack): readonly Principal[] {
  const policy = (logicalId: string) => stack.property(logicalId, 'PolicyDocument');
  return [
    { name: 'function', arn: role('pazpaz-KeyRotationRole'), policy: policy('KeyRotationRolePolicy') },
    { name: 'task role', arn: role('PazPazECSTaskRole'), policy: policy('ReadOnlyPolicy') },
    { name: 'operator', arn: OPERATOR_ROLE_ARN, policy: policy('AdminPolicy') },
    { name: 'other administrator', arn: role('Admin'), policy: EVERYTHING },
    { name: 'auditor', arn: role('Auditor'), policy: LOOKING },
  ];
}

const FOREVER = { 'secretsmanager:ForceDeleteWithoutRecovery': 'true' };
const THROUGH_SECRETS_MANAGER = {
  'kms:ViaService': 'secretsmanager.us-east-1.amazonaws.com',
  'kms:EncryptionContext:SecretARN': SECRET_ARN,
};

/** Every call that matters, in the words of the table, and as IAM sees it. */
export function calls(stack: Stack): readonly (readonly [string, Call])[] {
  const onSecret = (name: string, context = {}): readonly [string, Call] => [
    `\`secretsmanager:${name}\``,
    { action: `secretsmanager:${name}`, resource: SECRET_ARN, context },
  ];
  const onKey = (name: string, context = {}): Call => ({
    action: `kms:${name}`,
    resource: text(stack.outputs['SecretsKeyArn']),
    context,
  });
  const on = (action: string, resource: string): readonly [string, Call] => [`\`${action}\``, { action, resource }];
  const functionArn = text(stack.outputs['FunctionArn']);
  const log = 'arn:aws:logs:us-east-1:123456789012:log-group:pazpaz-KeyRotationLogGroup:log-stream:';
  return [
    ...['DescribeSecret', 'GetSecretValue', ...GUARDED_CALLS, 'RestoreSecret'].map((name) => onSecret(name)),
    ['`secretsmanager:DeleteSecret` without recovery', onSecret('DeleteSecret', FOREVER)[1]],
    ['`kms:Decrypt` through Secrets Manager', onKey('Decrypt', THROUGH_SECRETS_MANAGER)],
    ['`kms:Decrypt` directly', onKey('Decrypt')],
    ['`kms:GenerateDataKey` through Secrets Manager', onKey('GenerateDataKey', THROUGH_SECRETS_MANAGER)],
    ...['DisableKey', 'ScheduleKeyDeletion', 'PutKeyPolicy', 'CreateGrant'].map((name): readonly [string, Call] => [
      `\`kms:${name}\``,
      onKey(name),
    ]),
    on('lambda:GetFunctionConfiguration', functionArn),
    on('lambda:InvokeFunction', functionArn),
    on('lambda:UpdateFunctionCode', functionArn),
    on('logs:FilterLogEvents', log),
    on('logs:DeleteLogGroup', log),
    on('cloudwatch:GetMetricStatistics', '*'),
    on('cloudtrail:StopLogging', 'arn:aws:cloudtrail:us-east-1:123456789012:trail/PazPazTrail'),
    on('iam:UpdateAssumeRolePolicy', OPERATOR_ROLE_ARN),
  ];
}

/** Whether a principal may make a call, by its own policy and that of the secret. */
export function mayCall(stack: Stack, { arn, policy }: Principal, call: Call): boolean {
  const asPrincipal = { 'aws:PrincipalArn': arn, 'aws:PrincipalIsAWSService': 'false' };
  const ofTheSecret = call.resource === SECRET_ARN ? [stack.property('SecretPolicy', 'ResourcePolicy')] : [];
  return isAllowed([policy, ...ofTheSecret], { ...call, context: { ...asPrincipal, ...call.context } });
}
