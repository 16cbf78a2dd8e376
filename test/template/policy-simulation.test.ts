import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SECRET_ARN } from './support/cloudtrail-events.ts';
import { EVERYTHING_NEW, OPERATOR_ROLE_ARN } from './support/deployments.ts';
import { text } from './support/json.ts';
import { isAllowed, type Call } from './support/policy-evaluation.ts';
import { EVERYTHING, GUARDED_CALLS } from './support/principals.ts';
import { deploy } from './support/stack.ts';

const stack = deploy({ OperatorRoleArn: OPERATOR_ROLE_ARN });
const KEY = text(stack.property('EncryptionKeySecret', 'KmsKeyId'));
const application = stack.property('ReadOnlyPolicy', 'PolicyDocument');
const administrator = stack.property('AdminPolicy', 'PolicyDocument');
const rotation = stack.property('KeyRotationRolePolicy', 'PolicyDocument');
const ofTheSecret = stack.property('SecretPolicy', 'ResourcePolicy');

const ADMIN_ROLE = 'arn:aws:iam::123456789012:role/Admin';
const ROTATION_ROLE = 'arn:aws:iam::123456789012:role/pazpaz-KeyRotationRole';
const VIA_SECRETS_MANAGER = {
  'kms:ViaService': 'secretsmanager.us-east-1.amazonaws.com',
  'kms:EncryptionContext:SecretARN': SECRET_ARN,
};

function onSecret(action: string, principal: string, context: Readonly<Record<string, string>> = {}): Call {
  return {
    action: `secretsmanager:${action}`,
    resource: SECRET_ARN,
    context: { 'aws:PrincipalArn': principal, 'aws:PrincipalIsAWSService': 'false', ...context },
  };
}

function onKey(action: string, context: Readonly<Record<string, string>>): Call {
  return { action: `kms:${action}`, resource: KEY, context };
}

describe('the guide’s Test 1: the task role', () => {
  const taskRole = 'arn:aws:iam::123456789012:role/PazPazECSTaskRole';

  test('reads the secret and its state, decrypting through Secrets Manager', () => {
    for (const action of ['GetSecretValue', 'DescribeSecret']) {
      expect(isAllowed([application, ofTheSecret], onSecret(action, taskRole))).toBe(true);
    }
    expect(isAllowed([application], onKey('Decrypt', VIA_SECRETS_MANAGER))).toBe(true);
  });

  test.each([
    'PutSecretValue',
    'UpdateSecretVersionStage',
    'UpdateSecret',
    'DeleteSecret',
    'RotateSecret',
    'PutResourcePolicy',
  ])('may not %s', (action) => {
    expect(isAllowed([application, ofTheSecret], onSecret(action, taskRole))).toBe(false);
  });

  test('reads no other secret, and cannot use the KMS key directly', () => {
    const other = SECRET_ARN.replace('key-v1-AbCdEf', 'key-v2-AbCdEf');
    expect(isAllowed([application], { ...onSecret('GetSecretValue', taskRole), resource: other })).toBe(false);
    expect(isAllowed([application], onKey('Decrypt', {}))).toBe(false);
    expect(isAllowed([application], onKey('Encrypt', VIA_SECRETS_MANAGER))).toBe(false);
  });
});

describe('an administrator', () => {
  test('deletes a secret with a recovery window, and never without', () => {
    const forever = { 'secretsmanager:ForceDeleteWithoutRecovery': 'true' };
    const withoutOperator = deploy().property('SecretPolicy', 'ResourcePolicy');
    expect(isAllowed([administrator, withoutOperator], onSecret('DeleteSecret', ADMIN_ROLE))).toBe(true);
    expect(isAllowed([administrator, withoutOperator], onSecret('DeleteSecret', ADMIN_ROLE, forever))).toBe(false);
    expect(isAllowed([administrator], onSecret('DeleteSecret', ADMIN_ROLE, forever))).toBe(false);
  });

  test('can put a value as far as IAM goes: KMS makes a data key for it', () => {
    expect(isAllowed([administrator], onSecret('PutSecretValue', ADMIN_ROLE))).toBe(true);
    expect(isAllowed([administrator], onKey('GenerateDataKey', VIA_SECRETS_MANAGER))).toBe(true);
  });
});

describe('the operator’s commands, under the admin policy', () => {
  const FUNCTION = 'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation';
  /** IAM's name of each service that the commands may call, and what they call it on. */
  const SERVICES = new Map([
    ['secrets-manager', { prefix: 'secretsmanager', resource: SECRET_ARN }],
    ['kms', { prefix: 'kms', resource: KEY }],
    ['lambda', { prefix: 'lambda', resource: FUNCTION }],
    ['cloudwatch', { prefix: 'cloudwatch', resource: '*' }],
    [
      'cloudwatch-logs',
      // IAM sees the log group with a log stream behind it.
      {
        prefix: 'logs',
        resource: 'arn:aws:logs:us-east-1:123456789012:log-group:pazpaz-KeyRotationLogGroup:log-stream:',
      },
    ],
  ]);
  const sources = readdirSync('src/cli', { recursive: true, encoding: 'utf8' })
    // A backup's KMS key is one that its owner chooses, in another account as a rule, and its policy says who may use it.
    // A report has a policy of its own, docs/auditor-policy.json.
    .filter((file) => file.endsWith('.ts') && !/^(backup|evidence)/.test(file))
    .map((file) => readFileSync(join('src/cli', file), 'utf8'));
  /** Every command of the SDK that is imported, with the package that it is from. */
  const calls = sources.flatMap((source) =>
    [...source.matchAll(/import \{([^}]*)\} from '@aws-sdk\/client-([\w-]+)'/g)].flatMap(
      ([, names = '', client = '']) =>
        [...names.matchAll(/\b(\w+)Command\b/g)].map(([, operation = '']) => ({ client, operation })),
    ),
  );

  test('may make every call that they make', () => {
    expect(calls.map(({ operation }) => operation)).toEqual(
      expect.arrayContaining(['DescribeSecret', 'ListSecrets', 'PutSecretValue', 'TagResource', 'DescribeKey']),
    );
    for (const { client, operation } of calls) {
      const { prefix, resource } = SERVICES.get(client) ?? { prefix: `unknown client-${client}`, resource: '' };
      // Services name the same operation as IAM does; ListSecrets is on no resource.
      const call = { action: `${prefix}:${operation}`, resource: operation === 'ListSecrets' ? '*' : resource };
      expect([call, isAllowed([administrator], call)]).toEqual([call, true]);
    }
  });

  test('may see the function and read its log, and may neither change the one nor read other logs', () => {
    const may = (action: string, resource: string) => isAllowed([administrator], { action, resource });
    const log = SERVICES.get('cloudwatch-logs')?.resource ?? '';
    expect(may('lambda:GetFunctionConfiguration', FUNCTION)).toBe(true);
    expect(may('lambda:GetFunctionConfiguration', `${FUNCTION}2`)).toBe(false);
    expect(may('lambda:InvokeFunction', FUNCTION)).toBe(true);
    expect(may('lambda:UpdateFunctionCode', FUNCTION)).toBe(false);
    expect(may('logs:FilterLogEvents', log)).toBe(true);
    expect(may('logs:FilterLogEvents', log.replace('pazpaz-', 'other-'))).toBe(false);
    expect(may('logs:DeleteLogGroup', log)).toBe(false);
  });

  test('may compare the ring with its replicas, where the stack knows of some, and not write to these', () => {
    const replicated = deploy(EVERYTHING_NEW).property('AdminPolicy', 'PolicyDocument');
    const replica = SECRET_ARN.replace('us-east-1', 'eu-west-1');
    const may = (policy: typeof replicated, action: string) => isAllowed([policy], { action, resource: replica });
    expect(may(replicated, 'secretsmanager:DescribeSecret')).toBe(true);
    expect(may(replicated, 'secretsmanager:PutSecretValue')).toBe(false);
    expect(may(administrator, 'secretsmanager:DescribeSecret')).toBe(false);
  });
});

describe('with an operator role, the policy of the secret', () => {
  test.each([
    ['an administrator', ADMIN_ROLE, false],
    ['root', 'arn:aws:iam::123456789012:root', false],
    ['the operator', OPERATOR_ROLE_ARN, true],
    ['the function', ROTATION_ROLE, true],
  ])(
    'for %s (%s), who may do everything elsewhere: writing and lifting guards allowed = %j',
    (_, principal, allowed) => {
      for (const action of GUARDED_CALLS) {
        const call = onSecret(action, principal);
        expect([action, isAllowed([EVERYTHING, ofTheSecret], call)]).toEqual([action, allowed]);
      }
      expect(isAllowed([EVERYTHING, ofTheSecret], onSecret('GetSecretValue', principal))).toBe(true);
    },
  );

  // CloudFormation acts as the caller of the deploy, or as the stack's role (`sam deploy --role-arn`).
  test.each([
    ['the operator role', OPERATOR_ROLE_ARN, true],
    ['another administrator', ADMIN_ROLE, false],
  ])('lets a deploy as %s (%s) change secret, schedule and policy: %j', (_, principal, allowed) => {
    const byCloudFormation = { 'aws:CalledVia': 'cloudformation.amazonaws.com' };
    for (const action of ['UpdateSecret', 'TagResource', 'RotateSecret', 'PutResourcePolicy', 'DeleteResourcePolicy']) {
      const call = onSecret(action, principal, byCloudFormation);
      expect([action, isAllowed([EVERYTHING, ofTheSecret], call)]).toEqual([action, allowed]);
    }
  });

  test('denies nothing of that where no operator role is given', () => {
    const without = deploy().property('SecretPolicy', 'ResourcePolicy');
    const allowed = GUARDED_CALLS.filter((action) => isAllowed([EVERYTHING, without], onSecret(action, ADMIN_ROLE)));
    expect(allowed).toEqual([...GUARDED_CALLS]);
  });

  test('does not stop the service itself: it makes the version with which a rotation begins', () => {
    const service = { 'aws:PrincipalIsAWSService': 'true' };
    const byService = { action: 'secretsmanager:PutSecretValue', resource: SECRET_ARN, context: service };
    expect(isAllowed([EVERYTHING, ofTheSecret], byService)).toBe(true);
  });

  test('lets no one delete the secret for good, root and operator included', () => {
    for (const principal of [OPERATOR_ROLE_ARN, 'arn:aws:iam::123456789012:root']) {
      const forever = { 'secretsmanager:ForceDeleteWithoutRecovery': 'true' };
      expect(isAllowed([EVERYTHING, ofTheSecret], onSecret('DeleteSecret', principal, forever))).toBe(false);
    }
  });
});

test('the function does its four calls on the secret, and can neither delete it nor stop its rotation', () => {
  const may = (action: string) => isAllowed([rotation, ofTheSecret], onSecret(action, ROTATION_ROLE));
  expect(['DescribeSecret', 'GetSecretValue', 'PutSecretValue', 'UpdateSecretVersionStage'].map(may)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(['DeleteSecret', 'CancelRotateSecret', 'PutResourcePolicy', 'UpdateSecret', 'ListSecrets'].some(may)).toBe(
    false,
  );
  expect(isAllowed([rotation], onKey('GenerateDataKey', VIA_SECRETS_MANAGER))).toBe(true);
  const foreign = { ...VIA_SECRETS_MANAGER, 'kms:EncryptionContext:SecretARN': `${SECRET_ARN}x` };
  expect(isAllowed([rotation], onKey('Decrypt', foreign))).toBe(false);
});
