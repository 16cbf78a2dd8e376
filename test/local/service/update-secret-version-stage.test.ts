import { StateMachine, token } from '../support/state-machine.ts';

interface Move {
  readonly from?: number;
  readonly to?: number;
}

function input(label: string, { from, to }: Move): object {
  return {
    SecretId: 'a',
    VersionStage: label,
    ...(from === undefined ? {} : { RemoveFromVersionId: token(from) }),
    ...(to === undefined ? {} : { MoveToVersionId: token(to) }),
  };
}

function move(machine: StateMachine, label: string, where: Move): unknown {
  return machine.call('UpdateSecretVersionStage', input(label, where));
}

function refusal(machine: StateMachine, label: string, where: Move): string {
  return machine.refusal('UpdateSecretVersionStage', input(label, where));
}

/** 1 is AWSPREVIOUS, 2 AWSCURRENT, 3 AWSPENDING. */
function threeVersions(): StateMachine {
  const machine = new StateMachine().withSecret();
  machine.put(2);
  machine.put(3, ['AWSPENDING']);
  return machine;
}

test('a label that no version has is attached', () => {
  const machine = threeVersions();
  expect(move(machine, 'key-v1', { to: 1 })).toEqual({ ARN: machine.arn, Name: 'a' });
  expect(machine.labels).toEqual({ 1: 'AWSPREVIOUS key-v1', 2: 'AWSCURRENT', 3: 'AWSPENDING' });
});

test('a label that another version has is not moved unless that version is named', () => {
  const machine = threeVersions();
  move(machine, 'key-v1', { to: 1 });
  expect(refusal(machine, 'key-v1', { to: 2 })).toBe(
    `InvalidParameterException: The parameter RemoveFromVersionId can't be empty. Staging label key-v1 is currently attached to version ${token(1)}, so you must explicitly reference that version in RemoveFromVersionId.`,
  );
  expect(refusal(machine, 'key-v1', { from: 3, to: 2 })).toBe(
    'InvalidParameterException: When you move staging label key-v1, if you specify RemoveFromVersionId, it must be set to the version that currently has the staging label key-v1.',
  );
  move(machine, 'key-v1', { from: 1, to: 2 });
  expect(machine.labels).toEqual({ 1: 'AWSPREVIOUS', 2: 'AWSCURRENT key-v1', 3: 'AWSPENDING' });
});

test('moving AWSCURRENT moves AWSPREVIOUS, and leaves AWSPENDING beside it', () => {
  const machine = threeVersions();
  move(machine, 'AWSCURRENT', { from: 2, to: 3 });
  expect(machine.labels).toEqual({ 1: '', 2: 'AWSPREVIOUS', 3: 'AWSCURRENT AWSPENDING' });
});

test('the move that has already happened fails when it is repeated, for its RemoveFromVersionId has gone stale', () => {
  const machine = threeVersions();
  move(machine, 'AWSCURRENT', { from: 2, to: 3 });
  expect(refusal(machine, 'AWSCURRENT', { from: 2, to: 3 })).toMatch(/^InvalidParameterException: When you move/);
});

test('attaching a label to the version that has it changes nothing', () => {
  const machine = threeVersions();
  const before = machine.state;
  machine.now += 1000;
  move(machine, 'AWSCURRENT', { to: 2 });
  move(machine, 'AWSPENDING', { from: 3, to: 3 });
  expect(machine.state).toBe(before);
});

test('AWSCURRENT cannot be detached alone', () => {
  expect(refusal(threeVersions(), 'AWSCURRENT', { from: 2 })).toBe(
    'InvalidParameterException: You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed.',
  );
});

test('other labels are detached from the version that has them, and from no other', () => {
  const machine = threeVersions();
  expect(refusal(machine, 'AWSPENDING', { from: 2 })).toBe(
    'InvalidRequestException: You provided a VersionStage that is not associated to the provided VersionId.',
  );
  move(machine, 'AWSPENDING', { from: 3 });
  move(machine, 'AWSPREVIOUS', { from: 1 });
  expect(machine.labels).toEqual({ 1: '', 2: 'AWSCURRENT', 3: '' });
});

test('a version whose last label is detached goes at once where the service is told so', () => {
  const machine = new StateMachine({ unlabelledVersions: 'deleted-at-once' }).withSecret();
  machine.put(2, ['AWSPENDING']);
  move(machine, 'AWSPENDING', { from: 2 });
  expect(machine.labels).toEqual({ 1: 'AWSCURRENT' });
});

test('a version that does not exist, or none at all, is refused', () => {
  const machine = threeVersions();
  expect(refusal(machine, 'x', { to: 9 })).toBe(
    `ResourceNotFoundException: Secrets Manager can't find the specified secret value for VersionId: ${token(9)}`,
  );
  expect(refusal(machine, 'AWSCURRENT', { from: 9, to: 3 })).toMatch(/^ResourceNotFoundException/);
  expect(refusal(machine, 'AWSCURRENT', {})).toMatch(/^InvalidParameterException/);
  expect(refusal(machine, 'nowhere', { from: 1, to: 2 })).toMatch(/^InvalidParameterException/);
});

test('AWSPREVIOUS is not attached to the version of AWSCURRENT', () => {
  expect(refusal(threeVersions(), 'AWSPREVIOUS', { from: 1, to: 2 })).toMatch(/^InvalidParameterException/);
});

test('LastChangedDate moves with every label', () => {
  const machine = threeVersions();
  machine.now += 5000;
  move(machine, 'key-v1', { to: 1 });
  expect(machine.call('DescribeSecret', { SecretId: 'a' })).toMatchObject({ LastChangedDate: machine.now / 1000 });
});

test('a placeholder can be made AWSCURRENT and keeps its labels when it gets its value', () => {
  const machine = new StateMachine().withSecret();
  machine.rotate(2);
  move(machine, 'AWSCURRENT', { from: 1, to: 2 });
  machine.put(2, ['AWSPREVIOUS']);
  expect(machine.labels).toEqual({ 1: 'AWSPREVIOUS', 2: 'AWSCURRENT AWSPENDING' });
});
