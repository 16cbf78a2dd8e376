import { systemClock } from '../../src/keyring/clock.ts';
import { UsageCounter } from '../../src/keyring/telemetry/key-usage.ts';
import { LOG_EVENTS } from '../../src/secret/log-events.ts';
import { EVERYTHING_NEW, OPTIONS } from './support/deployments.ts';
import { filterMatches } from './support/filter-pattern.ts';
import { at, list, parseJson, spelled, text } from './support/json.ts';
import { deploy } from './support/stack.ts';

const stack = deploy();
const TOPIC = 'arn:aws:sns:us-east-1:123456789012:PazPazKeyAlerts';
const alarms = [...stack.resources].filter(([, { type }]) => type === 'AWS::CloudWatch::Alarm');

test('C17: the alarms are these, with the names and thresholds of the guide where it has them', () => {
  const FIELDS = ['AlarmName', 'Namespace', 'MetricName', 'Statistic', 'Period', 'ComparisonOperator', 'Threshold'];
  const rows = alarms.map(([, { properties }]) =>
    [...FIELDS, 'TreatMissingData'].map((field) => spelled(properties[field])).join(' '),
  );
  expect(rows).toEqual([
    'PazPazExcessiveKeyAccess PazPaz/Security EncryptionKeyAccess Sum 3600 GreaterThanThreshold 100 notBreaching',
    'PazPazUnauthorizedKeyAccess PazPaz/Security EncryptionKeyAccessDenied Sum 300 GreaterThanOrEqualToThreshold 1 notBreaching',
    'PazPazRotationFailed PazPaz/Security RotationFailed Sum 300 GreaterThanOrEqualToThreshold 1 notBreaching',
    'PazPazKeyRotationErrors AWS/Lambda Errors Sum 300 GreaterThanOrEqualToThreshold 1 notBreaching',
    'PazPazAdoptionFailed AWS/SQS ApproximateNumberOfMessagesVisible Maximum 300 GreaterThanOrEqualToThreshold 1 notBreaching',
    'PazPazRotationOverdue PazPaz/Security KeyRingDaysOverdue Minimum 86400 GreaterThanOrEqualToThreshold 1 breaching',
    'PazPazFewFreeKeySlots PazPaz/Security KeyRingFreeSlots Minimum 86400 LessThanOrEqualToThreshold 3 breaching',
    'PazPazUnnumberedCurrentKey PazPaz/Security KeyRingCurrentNumber Minimum 86400 LessThanThreshold 1 breaching',
    'PazPazRotationOff PazPaz/Security KeyRingRotationOff Minimum 86400 GreaterThanOrEqualToThreshold 1 breaching',
  ]);
  expect(stack.property('ExcessiveReadsAlarm', 'AlarmDescription')).toBe(
    'Alert when encryption key accessed >100 times/hour',
  );
  expect(stack.property('DeniedAccessAlarm', 'AlarmDescription')).toBe('Alert on any unauthorized key access attempt');
});

test('every alarm tells the topic, after one period: the one that the stack makes, or one that exists already', () => {
  const existing = text(OPTIONS['ExistingTopicArn']);
  const withExisting = deploy({ ExistingTopicArn: existing, AlertEmail: 'ops@example.com' });
  for (const [logicalId, { properties }] of alarms) {
    expect([logicalId, properties['AlarmActions'], properties['EvaluationPeriods']]).toEqual([logicalId, [TOPIC], 1]);
    expect(withExisting.property(logicalId, 'AlarmActions')).toEqual([existing]);
  }
  expect(withExisting.resources.has('AlertTopic')).toBe(false);
  expect(withExisting.resources.has('AlertSubscription')).toBe(false);
});

test('the alarms on the function and on its queue watch this function and this queue', () => {
  expect(stack.property('FunctionErrorsAlarm', 'Dimensions')).toEqual([
    { Name: 'FunctionName', Value: 'PazPazKeyRotation' },
  ]);
  expect(stack.property('AdoptionFailedAlarm', 'Dimensions')).toEqual([
    { Name: 'QueueName', Value: 'AdoptionFailureQueue' },
  ]);
});

test('the alarm on reads can be sized', () => {
  expect(deploy({ ReadsPerHour: '480' }).property('ExcessiveReadsAlarm', 'Threshold')).toBe('480');
});

test('the alarm on encryptions sums what the lines of all processes add, where their log group is named', () => {
  expect(stack.resources.has('KeyEncryptionsAlarm')).toBe(false);
  const named = deploy({ ApplicationLogGroupName: '/ecs/app', EncryptionsPerDay: '9000000' });
  const fields = ['AlarmName', 'MetricName', 'Statistic', 'Period', 'ComparisonOperator', 'Threshold'] as const;
  expect(fields.map((field) => named.property('KeyEncryptionsAlarm', field))).toEqual([
    'PazPazKeyEncryptions',
    'KeyEncryptions',
    'Sum',
    86400,
    'GreaterThanThreshold',
    '9000000',
  ]);
  expect(named.property('EncryptionsFilter', 'LogGroupName')).toBe('/ecs/app');
  const pattern = text(named.property('EncryptionsFilter', 'FilterPattern'));
  const lines: Record<string, unknown>[] = [];
  const counter = new UsageCounter((event, entry) => lines.push({ event, ...entry }), {}, systemClock);
  counter.of('a', 1).encryptions = 1000;
  counter.reportAll();
  expect(lines.map((line) => filterMatches(pattern, JSON.stringify(line)))).toEqual([true]);
  expect(filterMatches(pattern, '{"event":"encryption_stopped"}')).toBe(false);
  const [made] = list(named.property('EncryptionsFilter', 'MetricTransformations'));
  expect([at(made, 'MetricName'), at(made, 'MetricValue')]).toEqual(['KeyEncryptions', '$.encryptions_added']);
});

test('each metric of an alarm in our namespace comes from a filter', () => {
  const filters = [...stack.resources.values()].filter(({ type }) => type === 'AWS::Logs::MetricFilter');
  const made = filters
    .flatMap(({ properties }) => list(properties['MetricTransformations']))
    .map((one) => at(one, 'MetricName'));
  const watched = alarms.map(([, { properties }]) => properties).filter((p) => p['Namespace'] === 'PazPaz/Security');
  expect(made).toEqual(expect.arrayContaining(watched.map((p) => p['MetricName'])));
});

test('without any trail’s log group the alarms on reads and on denied access are left out, the others stay', () => {
  const without = deploy({ CreateTrail: 'false' });
  expect(without.resources.has('ExcessiveReadsAlarm')).toBe(false);
  expect(without.resources.has('DeniedAccessAlarm')).toBe(false);
  expect(without.resources.has('RotationFailedAlarm')).toBe(true);
  expect(without.resources.has('Trail')).toBe(false);
});

test('with the account’s own trail, its log group is watched and no other trail is made', () => {
  const own = deploy({ TrailLogGroupName: 'cloudtrail' });
  expect(own.property('SecretAccessFilter', 'LogGroupName')).toBe('cloudtrail');
  expect(own.property('SecretAccessDeniedFilter', 'LogGroupName')).toBe('cloudtrail');
  expect(own.resources.has('Trail')).toBe(false);
  expect(stack.property('SecretAccessFilter', 'LogGroupName')).toBe('pazpaz-TrailLogGroup');
});

describe('the function’s own lines, as Powertools writes them', () => {
  const line = (event: keyof typeof LOG_EVENTS, fields: object) =>
    JSON.stringify({
      level: LOG_EVENTS[event].level.toUpperCase(),
      message: LOG_EVENTS[event].message,
      event,
      ...fields,
    });
  const state = line('key_ring_state', {
    freeSlots: 15,
    currentNumber: 2,
    daysSinceRotation: 10,
    daysOverdue: 0,
    rotationEnabled: true,
    pending: 'none',
  });
  const pattern = (logicalId: string) => text(stack.property(logicalId, 'FilterPattern'));
  const STATE_FILTERS = {
    FreeSlotsFilter: 'freeSlots',
    CurrentNumberFilter: 'currentNumber',
    DaysOverdueFilter: 'daysOverdue',
    DaysSinceRotationFilter: 'daysSinceRotation',
  };

  test.each(Object.entries(STATE_FILTERS))(
    '%s takes %s of key_ring_state, zero included, and of no other line',
    (logicalId, field) => {
      expect(filterMatches(pattern(logicalId), state)).toBe(true);
      expect(filterMatches(pattern(logicalId), line('key_created', { [field]: 3 }))).toBe(false);
      expect(filterMatches(pattern(logicalId), 'START RequestId: 8f7c Version: $LATEST')).toBe(false);
      expect(at(list(stack.property(logicalId, 'MetricTransformations'))[0], 'MetricValue')).toBe(`$.${field}`);
      expect(stack.property(logicalId, 'LogGroupName')).toBe('pazpaz-KeyRotationLogGroup');
    },
  );

  test('C17: rotation that is off counts as 1, and as 0 once it is on; a line that says neither counts as nothing', () => {
    const isOff = line('key_ring_state', { rotationEnabled: false, daysOverdue: 0 });
    const values = (logLine: string) =>
      ['RotationOffFilter', 'RotationOnFilter']
        .filter((logicalId) => filterMatches(pattern(logicalId), logLine))
        .map((logicalId) => at(list(stack.property(logicalId, 'MetricTransformations'))[0], 'MetricValue'));
    expect([values(isOff), values(state)]).toEqual([['1'], ['0']]);
    expect(values(line('key_ring_state', { freeSlots: 15 }))).toEqual([]);
    expect(values(line('key_created', { rotationEnabled: false }))).toEqual([]);
    for (const filter of ['RotationOffFilter', 'RotationOnFilter']) {
      expect(stack.property(filter, 'LogGroupName')).toBe('pazpaz-KeyRotationLogGroup');
      expect(at(list(stack.property(filter, 'MetricTransformations'))[0], 'MetricName')).toBe('KeyRingRotationOff');
    }
  });

  test('a failed step counts as a failed rotation', () => {
    expect(
      filterMatches(pattern('RotationStepFailedFilter'), line('rotation_step_failed', { code: 'RING_FULL' })),
    ).toBe(true);
    expect(filterMatches(pattern('RotationStepFailedFilter'), line('rotation_step_finished', {}))).toBe(false);
  });

  test('the lines that alarms read are written at every log level that can be chosen', () => {
    expect([LOG_EVENTS.key_ring_state.level, LOG_EVENTS.rotation_step_failed.level]).toEqual(['info', 'error']);
    expect(() => deploy({ LogLevel: 'WARN' })).toThrow();
  });
});

describe('the saved queries', () => {
  test('are the guide’s, in the syntax that Insights has, on the application’s log group', () => {
    const { property } = deploy(EVERYTHING_NEW);
    expect(property('KeyAccessByHourQuery', 'QueryString')).toBe(
      'fields @timestamp, event\n| filter event = "encryption_key_fetched_from_aws"\n| stats count() by bin(1h)\n',
    );
    expect(property('FallbackUsageQuery', 'QueryString')).toBe(
      'fields @timestamp, event, secret_id\n| filter event = "aws_unavailable_using_env_fallback"\n| sort @timestamp desc\n',
    );
    for (const query of ['KeyAccessByHourQuery', 'FallbackUsageQuery']) {
      expect(property(query, 'LogGroupNames')).toEqual(['/ecs/pazpaz-api']);
      expect(stack.property(query, 'LogGroupNames')).toBeUndefined();
    }
  });
});

test('the dashboard is valid JSON and shows the metrics that the filters make', () => {
  const body = text(stack.property('Dashboard', 'DashboardBody'));
  expect(list(at(parseJson(body), 'widgets'))).toHaveLength(5);
  for (const metric of [
    'EncryptionKeyAccess',
    'EncryptionKeyAccessDenied',
    'KeyRingDaysOverdue',
    'KeyRingFreeSlots',
    'RotationFailed',
  ]) {
    expect(body).toContain(`"${metric}"`);
  }
});

test('a trail of our own records reads of every region, encrypted and checked, into the log group that is watched', () => {
  expect(stack.property('Trail')).toMatchObject({
    IsLogging: true,
    IsMultiRegionTrail: true,
    EnableLogFileValidation: true,
    CloudWatchLogsLogGroupArn: 'arn:aws:logs:us-east-1:123456789012:log-group:pazpaz-TrailLogGroup:*',
    KMSKeyId: stack.property('AlertTopic', 'KmsMasterKeyId'),
  });
});
