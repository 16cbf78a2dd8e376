import {
  call,
  deniedCall,
  IAM_USER,
  ROOT,
  roleSession,
  SECRET_ARN,
  SECRET_NAME,
  serviceEvent,
} from './support/cloudtrail-events.ts';
import { OTHER_SECRET_ARN, OTHER_TAKE_OVER, TAKE_OVER } from './support/deployments.ts';
import { filterMatches } from './support/filter-pattern.ts';
import { text, type JsonObject } from './support/json.ts';
import { deploy, type Stack } from './support/stack.ts';

const PARTIAL_ARN = SECRET_ARN.slice(0, -'-AbCdEf'.length);
const REPLICA_ARN = SECRET_ARN.replace('us-east-1', 'eu-west-1');
const NAMED = [SECRET_NAME, SECRET_ARN, PARTIAL_ARN, REPLICA_ARN];
const OTHERS = [`${SECRET_NAME}0`, `${SECRET_NAME}0-AbCdEf`, SECRET_ARN.replace('v1-AbCdEf', 'v10-GhIjKl'), 'other'];

function counts(stack: Stack, logicalId: string, event: JsonObject): boolean {
  return filterMatches(text(stack.property(logicalId, 'FilterPattern')), JSON.stringify(event));
}

describe.each([
  ['a new secret', deploy()],
  ['a secret that is taken over', deploy(TAKE_OVER)],
])('for %s', (_, stack) => {
  test.each(NAMED)('a read is counted where the caller named the secret %s', (secretId) => {
    for (const who of [ROOT, IAM_USER, roleSession('arn:aws:iam::123456789012:role/PazPazECSTaskRole')]) {
      expect(counts(stack, 'SecretAccessFilter', call('GetSecretValue', { secretId }, who))).toBe(true);
    }
  });

  test.each(OTHERS)('a read of %s is not counted', (secretId) => {
    expect(counts(stack, 'SecretAccessFilter', call('GetSecretValue', { secretId }))).toBe(false);
  });

  test('the application’s refresh is not counted: it describes the secret', () => {
    expect(counts(stack, 'SecretAccessFilter', call('DescribeSecret', { secretId: SECRET_NAME }))).toBe(false);
  });

  test.each(NAMED)('a denied read is counted where the secret is named in the message alone, as %s', (secretId) => {
    const reasons = [
      'because no identity-based policy allows the secretsmanager:GetSecretValue action',
      'with an explicit deny in a resource-based policy',
      '',
    ];
    for (const reason of reasons) {
      expect(counts(stack, 'SecretAccessDeniedFilter', deniedCall('GetSecretValue', secretId, reason))).toBe(true);
      expect(counts(stack, 'SecretAccessFilter', deniedCall('GetSecretValue', secretId, reason))).toBe(false);
    }
    expect(counts(stack, 'SecretAccessDeniedFilter', deniedCall('PutSecretValue', secretId))).toBe(true);
  });

  test.each(OTHERS)('a denied read of %s is not counted', (secretId) => {
    expect(counts(stack, 'SecretAccessDeniedFilter', deniedCall('GetSecretValue', secretId))).toBe(false);
  });

  test.each(['AccessDenied', 'AccessDeniedException'])(
    'a read that KMS refused (%s) names the secret in its parameters',
    (errorCode) => {
      const refused = {
        ...call('GetSecretValue', { secretId: SECRET_ARN }),
        errorCode,
        errorMessage: 'Access to KMS is not allowed',
      };
      expect(counts(stack, 'SecretAccessDeniedFilter', refused)).toBe(true);
    },
  );

  test('a read that found no version is not denied', () => {
    const missing = { ...call('GetSecretValue', { secretId: SECRET_NAME }), errorCode: 'ResourceNotFoundException' };
    expect(counts(stack, 'SecretAccessDeniedFilter', missing)).toBe(false);
  });

  test.each(['RotationFailed', 'RotationAbandoned', 'TestRotationFailed'])(
    '%s counts as a failed rotation',
    (eventName) => {
      expect(counts(stack, 'RotationFailedFilter', serviceEvent(eventName))).toBe(true);
      expect(counts(stack, 'RotationFailedFilter', serviceEvent(eventName, `${SECRET_ARN}x`))).toBe(false);
      expect(counts(stack, 'SecretAccessDeniedFilter', serviceEvent(eventName))).toBe(false);
    },
  );

  test.each(['RotationStarted', 'RotationSucceeded'])('%s does not', (eventName) => {
    expect(counts(stack, 'RotationFailedFilter', serviceEvent(eventName))).toBe(false);
  });
});

test('the filters have the guide’s names, and with the longest name of a secret still fit into the 1024 characters of a pattern', () => {
  const longest = deploy({ SecretName: 'a'.repeat(80) });
  expect(longest.property('SecretAccessFilter', 'FilterName')).toBe('PazPazSecretAccess');
  expect(longest.property('SecretAccessDeniedFilter', 'FilterName')).toBe('PazPazSecretAccessDenied');
  for (const filter of ['SecretAccessFilter', 'SecretAccessDeniedFilter', 'RotationFailedFilter']) {
    expect(text(longest.property(filter, 'FilterPattern')).length).toBeLessThanOrEqual(1000);
  }
});

test('the guide’s own pattern sees neither a read by ARN nor a denied one, which is why it is not used', () => {
  const guide = `{ $.eventName = "GetSecretValue" && $.requestParameters.secretId = "${SECRET_NAME}" }`;
  expect(filterMatches(guide, JSON.stringify(call('GetSecretValue', { secretId: SECRET_ARN })))).toBe(false);
  const denied = `{ $.errorCode = "AccessDeniedException" && $.requestParameters.secretId = "${SECRET_NAME}" }`;
  expect(filterMatches(denied, JSON.stringify(deniedCall('GetSecretValue', SECRET_NAME)))).toBe(false);
});

test('the evaluator refuses a pattern that it cannot read, so no pattern passes unread', () => {
  for (const pattern of [
    'ERROR',
    '{ $.a }',
    '{ $.a = "b" && }',
    '{ ($.a = "b" }',
    '{ $.a != "b" }',
    '{ $.a = "b" ) }',
  ]) {
    expect(() => filterMatches(pattern, '{"a":"b"}')).toThrow();
  }
});

test('a secret of another name that is taken over is watched by its own name, not by that of a new one', () => {
  const stack = deploy(OTHER_TAKE_OVER);
  for (const secretId of ['acme/data-key', OTHER_SECRET_ARN]) {
    expect(counts(stack, 'SecretAccessFilter', call('GetSecretValue', { secretId }))).toBe(true);
    expect(counts(stack, 'SecretAccessDeniedFilter', deniedCall('GetSecretValue', secretId))).toBe(true);
  }
  expect(counts(stack, 'SecretAccessFilter', call('GetSecretValue', { secretId: SECRET_NAME }))).toBe(false);
});
