import fc from 'fast-check';
import { deploy, brokenRules, type Stack } from './support/stack.ts';
import { EVERYTHING_NEW, OPTIONS, OTHER_SECRET_ARN, OTHER_TAKE_OVER, TAKE_OVER } from './support/deployments.ts';
import { object, spelled } from './support/json.ts';
import { TEMPLATE } from './support/template-file.ts';

/** Every choice of options, each on or off, that the template's rules accept. */
const choices = fc
  .subarray(Object.entries(OPTIONS))
  .map((chosen) => Object.fromEntries(chosen))
  .filter((parameters) => brokenRules(parameters).length === 0);

function everythingBefore(stack: Stack, logicalId: string): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (id: string) => {
    for (const before of stack.resource(id).madeAfter) {
      if (!found.has(before)) {
        found.add(before);
        visit(before);
      }
    }
  };
  visit(logicalId);
  return found;
}

test('whatever is chosen, no reference dangles and no resource waits for itself', () => {
  fc.assert(
    fc.property(choices, (parameters) => {
      const stack = deploy(parameters);
      for (const logicalId of stack.resources.keys()) {
        expect([logicalId, everythingBefore(stack, logicalId).has(logicalId)]).toEqual([logicalId, false]);
      }
    }),
    { numRuns: 60 },
  );
});

test('C37: whatever is chosen, the schedule is made last, so the secret is empty when any other resource fails', () => {
  fc.assert(
    fc.property(choices, (parameters) => {
      const stack = deploy(parameters);
      const others = [...stack.resources.keys()].filter((logicalId) => logicalId !== 'RotationSchedule');
      expect([...everythingBefore(stack, 'RotationSchedule')].toSorted()).toEqual(others.toSorted());
    }),
    { numRuns: 60 },
  );
});

test('C37: logical ids never change: a renamed one is a resource deleted and made anew', () => {
  expect(Object.keys(object(TEMPLATE['Resources'])).toSorted()).toMatchInlineSnapshot(`
   [
     "AdminPolicy",
     "AdoptionFailedAlarm",
     "AdoptionFailureDestination",
     "AdoptionFailureQueue",
     "AdoptionTick",
     "AdoptionTickPermission",
     "AlertSubscription",
     "AlertTopic",
     "AlertTopicPolicy",
     "ChangedByHandPermission",
     "ChangedByHandRule",
     "CurrentNumberFilter",
     "Dashboard",
     "DaysOverdueFilter",
     "DaysSinceRotationFilter",
     "DeniedAccessAlarm",
     "EncryptionKeySecret",
     "EncryptionsFilter",
     "EverythingButTheSchedule",
     "ExcessiveReadsAlarm",
     "FallbackUsageQuery",
     "FewFreeSlotsAlarm",
     "FreeSlotsFilter",
     "FunctionChangedNotice",
     "FunctionErrorsAlarm",
     "GuardedKmsKeyNotice",
     "GuardedSecretNotice",
     "KeyAccessByHourQuery",
     "KeyEncryptionsAlarm",
     "KeyRingHistoryQuery",
     "KeyRotationFunction",
     "KeyRotationLogGroup",
     "KeyRotationRole",
     "KeyRotationRolePolicy",
     "MonitoringChangedNotice",
     "MonitoringKey",
     "OtherFunctionNotice",
     "ReadOnlyPolicy",
     "RotationFailedAlarm",
     "RotationFailedFilter",
     "RotationFailedNotice",
     "RotationFinishedPermission",
     "RotationFinishedRule",
     "RotationOffAlarm",
     "RotationOffFilter",
     "RotationOnFilter",
     "RotationOverdueAlarm",
     "RotationPermission",
     "RotationSchedule",
     "RotationStepFailedFilter",
     "SecretAccessDeniedFilter",
     "SecretAccessFilter",
     "SecretPolicy",
     "SecretsKey",
     "SecretsKeyAlias",
     "Trail",
     "TrailBucket",
     "TrailBucketPolicy",
     "TrailChangedNotice",
     "TrailLogGroup",
     "TrailRole",
     "TrailRolePolicy",
     "UnnumberedCurrentKeyAlarm",
   ]
  `);
});

test('outputs never change their names: other stacks import them', () => {
  expect(Object.keys(deploy(EVERYTHING_NEW).outputs)).toMatchInlineSnapshot(`
   [
     "SecretArn",
     "SecretName",
     "SecretsKeyArn",
     "FunctionArn",
     "FunctionName",
     "FunctionRoleArn",
     "FunctionLogGroupName",
     "ReadOnlyPolicyArn",
     "AdminPolicyArn",
     "TopicArn",
     "MonitoringKeyArn",
     "AdoptionFailureQueueUrl",
     "TrailLogGroupInUse",
     "DashboardUrl",
     "AdoptNowCommand",
   ]
  `);
});

test('a secret that is taken over goes by its own name and ARN, whatever a new one would be called', () => {
  const { outputs } = deploy(OTHER_TAKE_OVER);
  expect([outputs['SecretName'], outputs['SecretArn']]).toEqual(['acme/data-key', OTHER_SECRET_ARN]);
  expect(JSON.stringify([...deploy(OTHER_TAKE_OVER).resources])).not.toContain('encryption-key-v1');
});

test.each([
  ['a new secret', {}],
  ['a secret that is taken over', TAKE_OVER],
  ['a new secret with everything', EVERYTHING_NEW],
])('with %s, every output that another stack needs has a value', (_, parameters) => {
  for (const [name, value] of Object.entries(deploy(parameters).outputs)) {
    expect([name, value]).toEqual([name, expect.stringMatching(/./)]);
  }
});

test.each([
  ['aws', 'eu-west-1', 'https://eu-west-1.console.aws.amazon.com/'],
  ['aws-us-gov', 'us-gov-west-1', 'https://console.amazonaws-us-gov.com/'],
  ['aws-cn', 'cn-north-1', 'https://cn-north-1.console.amazonaws.cn/'],
])('in the partition %s the link to the dashboard leads to its console', (partition, region, console) => {
  const { outputs } = deploy({}, [partition, region]);
  expect(outputs['DashboardUrl']).toBe(
    `${console}cloudwatch/home?region=${region}#dashboards/dashboard/PazPazKeyRotation`,
  );
});

describe('two stacks in one account', () => {
  const NAMED = [
    'Name',
    'FunctionName',
    'ManagedPolicyName',
    'AlarmName',
    'TopicName',
    'DashboardName',
    'AliasName',
    'TrailName',
  ];
  const names = (stack: Stack) =>
    [...stack.resources.values()].flatMap(({ type, properties }) =>
      NAMED.filter((name) => name in properties).map((name) => `${type} ${name} ${spelled(properties[name])}`),
    );

  test('share no name when prefix, secret name and alias differ', () => {
    const first = names(deploy());
    const second = names(deploy({ NamePrefix: 'Staging', SecretName: 'staging/key', KeyAliasName: 'alias/staging' }));
    expect(first.length).toBeGreaterThan(15);
    expect(first.filter((name) => second.includes(name))).toEqual([]);
  });

  test('put their metrics into different namespaces', () => {
    const namespaces = (stack: Stack) =>
      [...stack.resources.values()]
        .filter(({ type }) => type === 'AWS::Logs::MetricFilter')
        .map(({ properties }) => JSON.stringify(properties['MetricTransformations']));
    expect(namespaces(deploy()).every((namespace) => namespace.includes('"PazPaz/Security"'))).toBe(true);
    expect(namespaces(deploy({ NamePrefix: 'B' })).every((namespace) => namespace.includes('"B/Security"'))).toBe(true);
  });
});
