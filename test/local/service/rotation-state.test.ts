import {
  beginScheduledRotation,
  isAbandoned,
  recordAttempt,
  rotationAbandoned,
  rotationGivenUp,
  rotationSucceeded,
  testFailed,
  testSucceeded,
} from '../../../src/local/service/rotation-state.ts';
import { DAY, StateMachine, START, token } from '../support/state-machine.ts';

const MIDNIGHT = Date.UTC(2025, 0, 15);

/** Rotation 2 is under way, every 30 days. */
function underWay(options: ConstructorParameters<typeof StateMachine>[0] = {}): StateMachine {
  const machine = new StateMachine(options).withSecret();
  machine.rotate(2, { RotationRules: { AutomaticallyAfterDays: 30 } });
  return machine;
}

/** What the four steps of a Lambda do. */
function carryOut(machine: StateMachine): void {
  machine.put(2, ['AWSPENDING']);
  machine.call('UpdateSecretVersionStage', {
    SecretId: 'a',
    VersionStage: 'AWSCURRENT',
    RemoveFromVersionId: token(1),
    MoveToVersionId: token(2),
  });
}

describe('a rotation that succeeded', () => {
  test('loses AWSPENDING, and is followed by the next one', () => {
    const machine = underWay();
    carryOut(machine);
    machine.now += 60_000;
    machine.apply((state, context) => rotationSucceeded(state, machine.arn, token(2), context));
    expect(machine.labels).toEqual({ 1: 'AWSPREVIOUS', 2: 'AWSCURRENT' });
    expect(machine.secret.rotation).not.toHaveProperty('underWay');
    expect(machine.call('DescribeSecret', { SecretId: 'a' })).toMatchObject({
      LastRotatedDate: machine.now / 1000,
      LastChangedDate: machine.now / 1000,
      NextRotationDate: (MIDNIGHT + 31 * DAY) / 1000 - 1,
    });
  });

  test('keeps AWSPENDING beside AWSCURRENT where the service is told so', () => {
    const machine = underWay({ pendingAfterSuccess: 'left' });
    carryOut(machine);
    machine.apply((state, context) => rotationSucceeded(state, machine.arn, token(2), context));
    expect(machine.labels).toEqual({ 1: 'AWSPREVIOUS', 2: 'AWSCURRENT AWSPENDING' });
  });

  test('was none if the Lambda promoted nothing: AWSPENDING stays and blocks the next', () => {
    const machine = underWay();
    machine.apply((state, context) => rotationSucceeded(state, machine.arn, token(2), context));
    expect(machine.labels).toEqual({ 1: 'AWSCURRENT', 2: 'AWSPENDING' });
    expect(machine.secret.rotation).not.toHaveProperty('lastRotatedDate');
    expect(machine.secret.rotation).not.toHaveProperty('underWay');
  });

  test('does not end another one that has begun meanwhile', () => {
    const machine = underWay();
    carryOut(machine);
    machine.rotate(3);
    machine.apply((state, context) => rotationSucceeded(state, machine.arn, token(2), context));
    expect(machine.secret.rotation?.underWay?.token).toBe(token(3));
    expect(machine.labels).toEqual({ 1: 'AWSPREVIOUS', 2: 'AWSCURRENT', 3: 'AWSPENDING' });
  });
});

describe('a rotation that is due', () => {
  test('begins with a new token', () => {
    const machine = underWay();
    carryOut(machine);
    machine.apply((state, context) => rotationSucceeded(state, machine.arn, token(2), context));
    machine.now = MIDNIGHT + 30 * DAY;
    machine.apply((state, context) => beginScheduledRotation(state, machine.arn, context));
    expect(machine.labels).toEqual({ 1: 'AWSPREVIOUS', 2: 'AWSCURRENT', 1001: 'AWSPENDING' });
    expect(machine.secret.rotation?.underWay).toEqual({ token: token(1001), kind: 'rotation', attempts: 0 });
  });

  test('takes up the token of one that was given up', () => {
    const machine = underWay();
    machine.apply((state) => recordAttempt(state, machine.arn));
    expect(machine.secret.rotation?.underWay?.attempts).toBe(1);
    machine.apply((state, context) => rotationGivenUp(state, machine.arn, token(2), context));
    expect(machine.labels).toEqual({ 1: 'AWSCURRENT', 2: 'AWSPENDING' });
    expect(machine.secret.rotation).not.toHaveProperty('underWay');
    machine.apply((state, context) => beginScheduledRotation(state, machine.arn, context));
    expect(machine.secret.rotation?.underWay).toEqual({ token: token(2), kind: 'rotation', attempts: 0 });
    expect(Object.keys(machine.secret.versions)).toHaveLength(2);
  });

  test('does nothing while one is under way, after a cancel, and on a secret that is being deleted', () => {
    const machine = underWay();
    const unchanged = (): void => {
      const before = machine.state;
      machine.apply((state, context) => beginScheduledRotation(state, machine.arn, context));
      expect(machine.state).toBe(before);
    };
    unchanged();
    machine.call('CancelRotateSecret', { SecretId: 'a' });
    unchanged();
    machine.call('DeleteSecret', { SecretId: 'a' });
    unchanged();
    machine.apply((state, context) => beginScheduledRotation(state, 'arn:none', context));
  });

  test('RotateSecret with the token of one that was given up takes it up as well', () => {
    const machine = underWay();
    machine.apply((state, context) => rotationGivenUp(state, machine.arn, token(2), context));
    machine.rotate(2);
    expect(machine.secret.rotation?.underWay?.token).toBe(token(2));
  });
});

test('giving up waits for the next window', () => {
  const machine = underWay();
  machine.now = START + 40 * DAY;
  machine.apply((state, context) => rotationGivenUp(state, machine.arn, token(2), context));
  expect(machine.secret.rotation?.nextRotationDate).toBeGreaterThan(machine.now);
});

describe('a test run', () => {
  function testUnderWay(): StateMachine {
    const machine = new StateMachine({ unlabelledVersions: 'kept' }).withSecret();
    machine.rotate(2, { RotateImmediately: false });
    return machine;
  }

  test('that passed leaves nothing behind', () => {
    const machine = testUnderWay();
    machine.apply((state, context) => testSucceeded(state, machine.arn, token(2), context));
    expect(machine.labels).toEqual({ 1: 'AWSCURRENT' });
    expect(machine.secret.rotation).toEqual({
      enabled: true,
      lambdaArn: machine.secret.rotation?.lambdaArn,
      rules: {},
    });
  });

  test('that passed leaves a version that someone has labelled meanwhile', () => {
    const machine = testUnderWay();
    machine.call('UpdateSecretVersionStage', { SecretId: 'a', VersionStage: 'mine', MoveToVersionId: token(2) });
    machine.apply((state, context) => testSucceeded(state, machine.arn, token(2), context));
    expect(machine.labels).toEqual({ 1: 'AWSCURRENT', 2: 'mine' });
  });

  test('that failed leaves its pending copy, which the next rotation takes up', () => {
    const machine = testUnderWay();
    machine.apply((state, context) => testFailed(state, machine.arn, token(2), context));
    expect(machine.labels).toEqual({ 1: 'AWSCURRENT', 2: 'AWSPENDING' });
    machine.apply((state, context) => beginScheduledRotation(state, machine.arn, context));
    expect(machine.secret.rotation?.underWay).toEqual({ token: token(2), kind: 'rotation', attempts: 0 });
  });
});

describe('an attempt is abandoned', () => {
  const abandoned = (machine: StateMachine): boolean => isAbandoned(machine.state, machine.arn, token(2));

  test('not while it is pending, nor once it is promoted', () => {
    const machine = underWay();
    expect(abandoned(machine)).toBe(false);
    carryOut(machine);
    machine.call('UpdateSecretVersionStage', {
      SecretId: 'a',
      VersionStage: 'AWSPENDING',
      RemoveFromVersionId: token(2),
    });
    expect(abandoned(machine)).toBe(false);
  });

  test('by a value put by hand', () => {
    const machine = underWay();
    machine.put(3);
    expect(abandoned(machine)).toBe(true);
    machine.apply((state) => rotationAbandoned(state, machine.arn, token(2)));
    expect(machine.secret.rotation).not.toHaveProperty('underWay');
  });

  test('by a cancel, a deletion, a detached AWSPENDING, another rotation', () => {
    const cancelled = underWay();
    cancelled.call('CancelRotateSecret', { SecretId: 'a' });
    const deleted = underWay();
    deleted.call('DeleteSecret', { SecretId: 'a' });
    const detached = underWay();
    detached.call('UpdateSecretVersionStage', {
      SecretId: 'a',
      VersionStage: 'AWSPENDING',
      RemoveFromVersionId: token(2),
    });
    const overtaken = underWay();
    overtaken.put(3);
    overtaken.rotate(4);
    expect([cancelled, deleted, detached, overtaken].map(abandoned)).toEqual([true, true, true, true]);
    expect(isAbandoned(cancelled.state, 'arn:none', token(2))).toBe(true);
  });
});

test('no transition does anything to a secret that is gone', () => {
  const machine = new StateMachine();
  const before = machine.state;
  machine.apply((state) => recordAttempt(state, 'arn:none'));
  machine.apply((state, context) => rotationSucceeded(state, 'arn:none', token(1), context));
  machine.apply((state, context) => testSucceeded(state, 'arn:none', token(1), context));
  machine.apply((state, context) => testFailed(state, 'arn:none', token(1), context));
  machine.apply((state) => rotationAbandoned(state, 'arn:none', token(1)));
  expect(machine.state).toBe(before);
});
