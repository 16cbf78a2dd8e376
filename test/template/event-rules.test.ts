import {
  call,
  callOf,
  deniedCall,
  IAM_USER,
  onEventBridge,
  ROOT,
  roleSession,
  SECRET_ARN,
  SECRET_NAME,
  serviceEvent,
} from './support/cloudtrail-events.ts';
import {
  FORMER_KMS_KEY_ARN,
  KMS_KEY_ARN,
  OPTIONS,
  OTHER_SECRET_ARN,
  OTHER_TAKE_OVER,
  TAKE_OVER,
} from './support/deployments.ts';
import { eventMatches } from './support/event-pattern.ts';
import { at, list, object, text, type JsonObject } from './support/json.ts';
import { deploy, type Stack } from './support/stack.ts';

const FUNCTION_ROLE = 'arn:aws:iam::123456789012:role/pazpaz-KeyRotationRole';
const NAMED = [SECRET_NAME, SECRET_ARN, SECRET_ARN.slice(0, -'-AbCdEf'.length)];
const SOMEBODY = [ROOT, IAM_USER, roleSession('arn:aws:iam::123456789012:role/Admin')];
const BOTH: readonly [string, Stack][] = [
  ['a new secret', deploy()],
  ['a secret that is taken over', deploy(TAKE_OVER)],
];

function fires(stack: Stack, rule: string, event: JsonObject): boolean {
  return eventMatches(stack.property(rule, 'EventPattern'), onEventBridge(event));
}

describe.each(BOTH)('the rule for changes by hand, for %s', (_, stack) => {
  const rule = 'ChangedByHandRule';

  test.each(['PutSecretValue', 'UpdateSecret', 'UpdateSecretVersionStage'])(
    'sees %s by root, a user and a role',
    (eventName) => {
      for (const secretId of NAMED) {
        for (const who of SOMEBODY) {
          expect(fires(stack, rule, call(eventName, { secretId }, who))).toBe(true);
        }
      }
    },
  );

  test('leaves the function’s own changes out: adoption would call itself', () => {
    for (const secretId of NAMED) {
      expect(fires(stack, rule, call('UpdateSecretVersionStage', { secretId }, roleSession(FUNCTION_ROLE)))).toBe(
        false,
      );
    }
  });

  test('sees neither reads, nor other secrets, nor calls that failed, nor the service’s own events', () => {
    expect(fires(stack, rule, call('GetSecretValue', { secretId: SECRET_ARN }))).toBe(false);
    expect(fires(stack, rule, call('PutSecretValue', { secretId: `${SECRET_NAME}0` }))).toBe(false);
    expect(
      fires(stack, rule, { ...call('PutSecretValue', { secretId: SECRET_ARN }), errorCode: 'LimitExceededException' }),
    ).toBe(false);
    expect(fires(stack, rule, deniedCall('PutSecretValue', SECRET_ARN))).toBe(false);
    expect(fires(stack, rule, serviceEvent('RotationSucceeded'))).toBe(false);
  });
});

describe.each(BOTH)('the notices, for %s', (_, stack) => {
  test.each([
    'DeleteSecret',
    'CancelRotateSecret',
    'PutResourcePolicy',
    'DeleteResourcePolicy',
    'TagResource',
    'UntagResource',
    'ReplicateSecretToRegions',
    'RemoveRegionsFromReplication',
    'StopReplicationToReplica',
  ])('tell of %s on the secret by anyone, the function included', (eventName) => {
    for (const who of [...SOMEBODY, roleSession(FUNCTION_ROLE)]) {
      for (const secretId of NAMED) {
        expect(fires(stack, 'GuardedSecretNotice', call(eventName, { secretId }, who))).toBe(true);
      }
    }
    expect(fires(stack, 'GuardedSecretNotice', call(eventName, { secretId: `${SECRET_NAME}0` }))).toBe(false);
  });

  test('do not tell of what happens every day', () => {
    for (const eventName of ['GetSecretValue', 'DescribeSecret', 'PutSecretValue', 'RotateSecret']) {
      expect(fires(stack, 'GuardedSecretNotice', call(eventName, { secretId: SECRET_ARN }))).toBe(false);
    }
  });

  test('tell of a rotation that is given to another function, and not of one that keeps ours', () => {
    const rotate = (fields: JsonObject) =>
      NAMED.map((secretId) => fires(stack, 'OtherFunctionNotice', call('RotateSecret', { secretId, ...fields })));
    const ours = text(stack.outputs['FunctionArn']);
    expect(rotate({ rotationLambdaARN: ours.replace('PazPaz', 'Other') })).toEqual([true, true, true]);
    expect(rotate({ rotationLambdaARN: ours })).toEqual([false, false, false]);
    expect(rotate({})).toEqual([false, false, false]);
  });

  test.each(['StopLogging', 'DeleteTrail', 'UpdateTrail', 'PutEventSelectors'])(
    'tell of %s on a trail, by name or ARN',
    (eventName) => {
      for (const name of ['management', 'arn:aws:cloudtrail:us-east-1:123456789012:trail/management']) {
        const onTrail = { ...call(eventName, { name }, ROOT), eventSource: 'cloudtrail.amazonaws.com' };
        expect(fires(stack, 'TrailChangedNotice', onTrail)).toBe(true);
      }
    },
  );

  test.each(['RotationFailed', 'RotationAbandoned', 'TestRotationFailed'])('tell of %s', (eventName) => {
    expect(fires(stack, 'RotationFailedNotice', serviceEvent(eventName))).toBe(true);
    expect(fires(stack, 'RotationFailedNotice', serviceEvent(eventName, `${SECRET_ARN}x`))).toBe(false);
    expect(fires(stack, 'RotationFinishedRule', serviceEvent(eventName))).toBe(false);
  });

  test('a rotation that went well is no notice; it has the state of the ring reported', () => {
    expect(fires(stack, 'RotationFailedNotice', serviceEvent('RotationSucceeded'))).toBe(false);
    expect(fires(stack, 'RotationFinishedRule', serviceEvent('RotationSucceeded'))).toBe(true);
  });
});

test('a secret of another name that is taken over is known by its own name, not by that of a new one', () => {
  const stack = deploy(OTHER_TAKE_OVER);
  const byNameAndArn = ['acme/data-key', OTHER_SECRET_ARN, OTHER_SECRET_ARN.slice(0, -'-GhIjKl'.length)];
  for (const secretId of byNameAndArn) {
    expect(fires(stack, 'ChangedByHandRule', call('PutSecretValue', { secretId }))).toBe(true);
    expect(fires(stack, 'GuardedSecretNotice', call('DeleteSecret', { secretId }))).toBe(true);
  }
  expect(fires(stack, 'ChangedByHandRule', call('PutSecretValue', { secretId: SECRET_NAME }))).toBe(false);
});

describe('the notice on KMS keys', () => {
  const dangers = ['ScheduleKeyDeletion', 'DisableKey', 'DeleteImportedKeyMaterial', 'PutKeyPolicy', 'CreateGrant'];

  test('tells of the secret’s own key and of the former one, by ARN and by id', () => {
    const stack = deploy(TAKE_OVER);
    for (const arn of [KMS_KEY_ARN, FORMER_KMS_KEY_ARN]) {
      for (const keyId of [arn, arn.slice(arn.indexOf('/') + 1)]) {
        for (const danger of dangers) {
          expect([danger, fires(stack, 'GuardedKmsKeyNotice', call(danger, { keyId }, ROOT))]).toEqual([danger, true]);
        }
      }
    }
  });

  test('tells of the key that the stack makes, and of no other', () => {
    const stack = deploy();
    const arn = text(stack.property('EncryptionKeySecret', 'KmsKeyId'));
    for (const keyId of [arn, arn.slice(arn.indexOf('/') + 1)]) {
      expect(fires(stack, 'GuardedKmsKeyNotice', call('DisableKey', { keyId }))).toBe(true);
      expect(fires(stack, 'GuardedKmsKeyNotice', call('EnableKey', { keyId }))).toBe(false);
    }
    expect(fires(stack, 'GuardedKmsKeyNotice', call('DisableKey', { keyId: KMS_KEY_ARN }))).toBe(false);
  });
});

describe('the notice on the function', () => {
  const stack = deploy();
  const tells = (eventName: string, functionName: string) =>
    fires(stack, 'FunctionChangedNotice', callOf('lambda', eventName, { functionName }));
  const ours = text(stack.outputs['FunctionArn']);

  test.each([
    'UpdateFunctionCode20150331v2',
    'UpdateFunctionConfiguration20150331v2',
    'AddPermission20150331v2',
    'DeleteFunction20150331',
  ])('tells of %s, by name and ARN, and of no other function', (eventName) => {
    const named = ['PazPazKeyRotation', ours, '123456789012:function:PazPazKeyRotation'];
    expect(named.map((name) => tells(eventName, name))).toEqual([true, true, true]);
    expect(tells(eventName, 'PazPazKeyRotation2')).toBe(false);
    expect(tells(eventName, ours.replace('PazPazKey', 'OtherKey'))).toBe(false);
  });

  test('does not tell of what is only read', () => {
    expect(tells('GetFunction20150331v2', ours)).toBe(false);
    expect(tells('Invoke', ours)).toBe(false);
  });
});

describe('the notice on what tells', () => {
  const stack = deploy();
  const TOPIC = 'arn:aws:sns:us-east-1:123456789012:PazPazKeyAlerts';
  const tells = (service: string, eventName: string, requestParameters: JsonObject) =>
    fires(stack, 'MonitoringChangedNotice', callOf(service, eventName, requestParameters));
  const alarms = [...stack.resources.values()].filter(({ type }) => type === 'AWS::CloudWatch::Alarm');
  const alarmNames = alarms.map(({ properties }) => text(properties['AlarmName']));

  test.each(['DeleteRule', 'DisableRule', 'PutRule'])('tells of %s on a rule of the stack', (eventName) => {
    expect(tells('events', eventName, { name: 'pazpaz-GuardedSecretNotice-1ABC' })).toBe(true);
    expect(tells('events', eventName, { name: 'other-GuardedSecretNotice-1ABC' })).toBe(false);
  });

  test.each(['RemoveTargets', 'PutTargets'])('tells of %s on a rule of the stack', (eventName) => {
    expect(tells('events', eventName, { rule: 'pazpaz-AdoptionTick-1ABC' })).toBe(true);
    expect(tells('events', eventName, { rule: 'other-AdoptionTick-1ABC' })).toBe(false);
  });

  test('tells of each alarm that is deleted, silenced or replaced', () => {
    expect(alarmNames.length).toBeGreaterThan(5);
    for (const name of alarmNames) {
      for (const eventName of ['DeleteAlarms', 'DisableAlarmActions'])
        expect(tells('monitoring', eventName, { alarmNames: ['x', name] })).toBe(true);
      expect(tells('monitoring', 'PutMetricAlarm', { alarmName: name })).toBe(true);
    }
    expect(tells('monitoring', 'DeleteAlarms', { alarmNames: ['x'] })).toBe(false);
  });

  test('tells of the topic and its subscriptions', () => {
    expect(tells('sns', 'DeleteTopic', { topicArn: TOPIC })).toBe(true);
    expect(tells('sns', 'SetTopicAttributes', { topicArn: TOPIC })).toBe(true);
    expect(tells('sns', 'Unsubscribe', { subscriptionArn: `${TOPIC}:6b0e71bd` })).toBe(true);
    expect(tells('sns', 'Unsubscribe', { subscriptionArn: `${TOPIC}2:6b0e71bd` })).toBe(false);
  });

  test.each(['DeleteLogGroup', 'DeleteMetricFilter', 'PutMetricFilter', 'PutRetentionPolicy'])(
    'tells of %s on the logs that alarms read',
    (eventName) => {
      for (const logGroupName of ['pazpaz-KeyRotationLogGroup', 'pazpaz-TrailLogGroup'])
        expect(tells('logs', eventName, { logGroupName })).toBe(true);
      expect(tells('logs', eventName, { logGroupName: 'other' })).toBe(false);
    },
  );
});

describe('the targets', () => {
  const stack = deploy();

  test.each(['AdoptionTick', 'ChangedByHandRule', 'RotationFinishedRule'])(
    '%s invokes the function and is permitted to',
    (rule) => {
      const functionArn = 'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation';
      expect(list(stack.property(rule, 'Targets')).map((target) => at(target, 'Arn'))).toEqual([functionArn]);
      const permission = stack.property(rule.replace('Rule', '').concat('Permission'));
      expect(permission).toEqual({
        FunctionName: functionArn,
        Action: 'lambda:InvokeFunction',
        Principal: 'events.amazonaws.com',
        SourceArn: `arn:aws:events:us-east-1:123456789012:rule/pazpaz-${rule}`,
      });
    },
  );

  test('adoption runs once a day', () => {
    expect(stack.property('AdoptionTick', 'ScheduleExpression')).toMatch(/^cron\(\d+ \d+ \* \* \? \*\)$/);
  });

  test.each([
    'GuardedSecretNotice',
    'OtherFunctionNotice',
    'GuardedKmsKeyNotice',
    'TrailChangedNotice',
    'FunctionChangedNotice',
    'MonitoringChangedNotice',
    'RotationFailedNotice',
  ])('%s tells the topic in one sentence', (rule) => {
    const target = list(stack.property(rule, 'Targets'))[0];
    expect(at(target, 'Arn')).toBe('arn:aws:sns:us-east-1:123456789012:PazPazKeyAlerts');
    const existing = deploy({ ExistingTopicArn: text(OPTIONS['ExistingTopicArn']) });
    expect(at(list(existing.property(rule, 'Targets'))[0], 'Arn')).toBe(OPTIONS['ExistingTopicArn']);
    // EventBridge takes a template that is a JSON text, and leaves a placeholder without a path as it is.
    const template = text(at(target, 'InputTransformer', 'InputTemplate'));
    expect(template).toMatch(/^"[^"]+"$/);
    const placeholders = [...template.matchAll(/<(\w+)>/g)].map(([, name]) => name);
    expect(Object.keys(object(at(target, 'InputTransformer', 'InputPathsMap'))).toSorted()).toEqual(
      [...new Set(placeholders)].toSorted(),
    );
  });
});
