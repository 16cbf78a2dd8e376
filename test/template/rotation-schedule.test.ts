import { SECRET_ARN } from './support/cloudtrail-events.ts';
import { TAKE_OVER } from './support/deployments.ts';
import { deploy } from './support/stack.ts';

test('C16: a deploy rotates at once exactly where it makes the secret, and never one that is taken over', () => {
  expect(deploy().property('RotationSchedule', 'RotateImmediatelyOnUpdate')).toBe(true);
  expect(deploy(TAKE_OVER).property('RotationSchedule', 'RotateImmediatelyOnUpdate')).toBe(false);
});

test('C37: the schedule waits, by name, for the permission and for what the role may do', () => {
  for (const parameters of [{}, TAKE_OVER]) {
    expect([...deploy(parameters).resource('RotationSchedule').madeAfter]).toEqual(
      expect.arrayContaining(['RotationPermission', 'KeyRotationRolePolicy', 'KeyRotationFunction']),
    );
  }
});

test('C37: Secrets Manager may invoke the function for this secret of this account only', () => {
  for (const parameters of [{}, TAKE_OVER]) {
    expect(deploy(parameters).property('RotationPermission')).toEqual({
      FunctionName: 'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation',
      Action: 'lambda:InvokeFunction',
      Principal: 'secretsmanager.amazonaws.com',
      SourceAccount: '123456789012',
      SourceArn: SECRET_ARN,
    });
  }
});

describe('the schedule', () => {
  const rules = (parameters: Readonly<Record<string, string>>) =>
    deploy(parameters).property('RotationSchedule', 'RotationRules');

  test('is the 365 days of the guide', () => {
    expect(rules({})).toEqual({ AutomaticallyAfterDays: '365' });
  });

  test('is another number of days, with a window', () => {
    expect(rules({ RotationDays: '90', RotationWindow: '3h' })).toEqual({
      AutomaticallyAfterDays: '90',
      Duration: '3h',
    });
  });

  test('is an expression instead, never both, which the service refuses', () => {
    expect(rules({ RotationScheduleExpression: 'cron(0 3 1 2 ? *)', RotationWindow: '3h' })).toEqual({
      ScheduleExpression: 'cron(0 3 1 2 ? *)',
      Duration: '3h',
    });
  });

  test('is that of the secret, and invokes the function', () => {
    expect(deploy().property('RotationSchedule', 'SecretId')).toBe(SECRET_ARN);
    expect(deploy(TAKE_OVER).property('RotationSchedule', 'SecretId')).toBe(SECRET_ARN);
    expect(deploy().property('RotationSchedule', 'RotationLambdaARN')).toBe(
      'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation',
    );
  });
});
