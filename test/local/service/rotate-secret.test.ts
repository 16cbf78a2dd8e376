import { rotationGivenUp } from '../../../src/local/service/rotation-state.ts';
import { DAY, HOUR, LAMBDA, StateMachine, START, token } from '../support/state-machine.ts';

const DAYS_30 = { RotationRules: { AutomaticallyAfterDays: 30 } };

test('RotateSecret makes a version without a value under the token, and notes that a rotation is under way', () => {
  const machine = new StateMachine().withSecret();
  expect(machine.rotate(2, DAYS_30)).toEqual({ ARN: machine.arn, Name: 'a', VersionId: token(2) });
  expect(machine.labels).toEqual({ 1: 'AWSCURRENT', 2: 'AWSPENDING' });
  expect(machine.secret.versions[token(2)]).not.toHaveProperty('value');
  expect(machine.secret.rotation?.underWay).toEqual({ token: token(2), kind: 'rotation', attempts: 0 });
  expect(machine.call('DescribeSecret', { SecretId: 'a' })).toMatchObject({
    RotationEnabled: true,
    RotationLambdaARN: LAMBDA,
    RotationRules: { AutomaticallyAfterDays: 30 },
    NextRotationDate: Date.UTC(2025, 1, 14, 23, 59, 59) / 1000,
  });
});

test('it works on a secret without a value', () => {
  const machine = new StateMachine();
  machine.call('CreateSecret', { Name: 'a', ClientRequestToken: token(9) });
  machine.rotate(1);
  expect(machine.call('DescribeSecret', { SecretId: 'a' })).toMatchObject({
    VersionIdsToStages: { [token(1)]: ['AWSPENDING'] },
  });
});

test('it needs a Lambda, of the request or of an earlier one', () => {
  const machine = new StateMachine().withSecret();
  const bare = { SecretId: 'a', ClientRequestToken: token(2) };
  const NO_LAMBDA = 'InvalidRequestException: No Lambda rotation function ARN is associated with this secret.';
  expect(machine.refusal('RotateSecret', bare)).toBe(NO_LAMBDA);
  expect(machine.refusal('RotateSecret', { ...bare, RotationLambdaARN: '' })).toBe(NO_LAMBDA);
  machine.rotate(2, DAYS_30);
  machine.put(3);
  machine.call('RotateSecret', { ...bare, ClientRequestToken: token(4) });
  expect(machine.secret.rotation).toMatchObject({ lambdaArn: LAMBDA, rules: { AutomaticallyAfterDays: 30 } });
});

test('the same token again starts nothing new', () => {
  const machine = new StateMachine().withSecret();
  machine.rotate(2, DAYS_30);
  const before = machine.state;
  expect(machine.rotate(2, DAYS_30)).toMatchObject({ VersionId: token(2) });
  expect(machine.state).toBe(before);
  expect(machine.rotate(1)).toMatchObject({ VersionId: token(1) });
  expect(machine.state).toBe(before);
});

test('an unfinished rotation is not overtaken', () => {
  const machine = new StateMachine().withSecret();
  machine.rotate(2);
  expect(
    machine.refusal('RotateSecret', { SecretId: 'a', ClientRequestToken: token(3), RotationLambdaARN: LAMBDA }),
  ).toBe("InvalidRequestException: A previous rotation isn't complete. That rotation will be reattempted.");
});

test('AWSPENDING left on the current version does not stop the next rotation, and moves to its version', () => {
  const machine = new StateMachine().withSecret();
  machine.put(2, ['AWSCURRENT', 'AWSPENDING']);
  machine.rotate(3);
  expect(machine.labels).toEqual({ 1: 'AWSPREVIOUS', 2: 'AWSCURRENT', 3: 'AWSPENDING' });
});

test('RotateImmediately=false makes a pending copy of the current value, for a test', () => {
  const machine = new StateMachine().withSecret();
  machine.rotate(2, { ...DAYS_30, RotateImmediately: false });
  expect(machine.labels).toEqual({ 1: 'AWSCURRENT', 2: 'AWSPENDING' });
  expect(machine.call('GetSecretValue', { SecretId: 'a', VersionId: token(2) })).toMatchObject({ SecretString: 'v1' });
  expect(machine.secret.rotation?.underWay?.kind).toBe('test');
});

test('RotateImmediately=false on a secret without a value makes a placeholder', () => {
  const machine = new StateMachine();
  machine.call('CreateSecret', { Name: 'a', ClientRequestToken: token(9) });
  machine.rotate(1, { RotateImmediately: false });
  expect(machine.secret.versions[token(1)]).toEqual({ stages: ['AWSPENDING'], createdDate: START });
});

test('rules are checked before anything else happens', () => {
  const machine = new StateMachine().withSecret();
  const refusal = (RotationRules: object): string =>
    machine.refusal('RotateSecret', {
      SecretId: 'a',
      ClientRequestToken: token(2),
      RotationLambdaARN: LAMBDA,
      RotationRules,
    });
  expect(refusal({ AutomaticallyAfterDays: 1, ScheduleExpression: 'rate(1 day)' })).toBe(
    'InvalidParameterException: You cannot specify both rotation frequency and schedule expression together.',
  );
  expect(refusal({ ScheduleExpression: 'rate(1 hour)' })).toMatch(/^InvalidParameterException/);
});

test('a schedule shows the days between rotations that it amounts to', () => {
  const machine = new StateMachine().withSecret();
  machine.rotate(2, { RotationRules: { ScheduleExpression: 'rate(10 hours)', Duration: '2h' } });
  expect(machine.call('DescribeSecret', { SecretId: 'a' })).toMatchObject({
    RotationRules: { AutomaticallyAfterDays: 1, ScheduleExpression: 'rate(10 hours)', Duration: '2h' },
    NextRotationDate: Date.UTC(2025, 0, 15, 21, 59, 59) / 1000,
  });
});

describe('CancelRotateSecret', () => {
  test('switches rotation off, names the version in progress and leaves AWSPENDING where it is', () => {
    const machine = new StateMachine().withSecret();
    machine.rotate(2, DAYS_30);
    expect(machine.call('CancelRotateSecret', { SecretId: 'a' })).toEqual({
      ARN: machine.arn,
      Name: 'a',
      VersionId: token(2),
    });
    expect(machine.labels).toEqual({ 1: 'AWSCURRENT', 2: 'AWSPENDING' });
    const details = machine.call('DescribeSecret', { SecretId: 'a' });
    expect(details).toMatchObject({
      RotationEnabled: false,
      RotationLambdaARN: LAMBDA,
      RotationRules: { AutomaticallyAfterDays: 30 },
    });
    expect(details).not.toHaveProperty('NextRotationDate');
    expect(machine.refusal('RotateSecret', { SecretId: 'a', ClientRequestToken: token(3) })).toMatch(
      'will be reattempted',
    );
  });

  test('names the version that a rotation left, until its label is gone', () => {
    const machine = new StateMachine().withSecret();
    machine.rotate(2, DAYS_30);
    machine.apply((state, context) => rotationGivenUp(state, machine.arn, token(2), context));
    const left = { ARN: machine.arn, Name: 'a', VersionId: token(2) };
    expect(machine.call('CancelRotateSecret', { SecretId: 'a' })).toEqual(left);
    expect(machine.call('CancelRotateSecret', { SecretId: 'a' })).toEqual(left);
    machine.call('UpdateSecretVersionStage', {
      SecretId: 'a',
      VersionStage: 'AWSPENDING',
      RemoveFromVersionId: token(2),
    });
    expect(machine.call('CancelRotateSecret', { SecretId: 'a' })).toEqual({ ARN: machine.arn, Name: 'a' });
  });

  test('without a rotation in progress names no version; without rotation at all changes nothing', () => {
    const machine = new StateMachine().withSecret();
    const before = machine.state;
    expect(machine.call('CancelRotateSecret', { SecretId: 'a' })).toEqual({ ARN: machine.arn, Name: 'a' });
    expect(machine.state).toBe(before);
  });
});

test('a value put by hand counts as a rotation for a number of days, not for a cron()', () => {
  const next = (rules: object): number => {
    const machine = new StateMachine().withSecret();
    machine.rotate(2, { RotationRules: rules });
    machine.now += 10 * DAY;
    machine.put(3);
    return machine.secret.rotation?.nextRotationDate ?? 0;
  };
  const midnight = Date.UTC(2025, 0, 15);
  expect(next({ AutomaticallyAfterDays: 30 })).toBe(midnight + 40 * DAY);
  expect(next({ ScheduleExpression: 'rate(30 days)' })).toBe(midnight + 40 * DAY);
  expect(next({ ScheduleExpression: 'cron(0 8 20 * ? *)' })).toBe(midnight + 5 * DAY + 8 * HOUR);
});
