import { DAY, StateMachine, START, token } from '../support/state-machine.ts';

const MISSING = 'You must provide a ClientRequestToken value. We recommend a UUID-type value.';

test('the first value is AWSCURRENT, under the token', () => {
  const machine = new StateMachine();
  const answer = machine.call('CreateSecret', { Name: 'a', ClientRequestToken: token(1), SecretString: 'v1' });
  expect(answer).toEqual({ ARN: machine.arn, Name: 'a', VersionId: token(1) });
  expect(machine.arn).toMatch(/^arn:aws:secretsmanager:us-east-1:123456789012:secret:a-[A-Za-z0-9]{6}$/);
  expect(machine.labels).toEqual({ 1: 'AWSCURRENT' });
});

test('a secret can be made without a value: the answer names no version, and DescribeSecret no versions', () => {
  const machine = new StateMachine();
  expect(machine.call('CreateSecret', { Name: 'a', ClientRequestToken: token(1) })).toEqual({
    ARN: machine.arn,
    Name: 'a',
  });
  expect(machine.call('DescribeSecret', { SecretId: 'a' })).toEqual({
    ARN: machine.arn,
    Name: 'a',
    CreatedDate: START / 1000,
    LastChangedDate: START / 1000,
  });
});

test('the same request again answers the same', () => {
  const machine = new StateMachine().withSecret();
  const before = machine.state;
  const again = { Name: 'a', ClientRequestToken: token(1), SecretString: 'v1' };
  expect(machine.call('CreateSecret', again)).toEqual({ ARN: machine.arn, Name: 'a', VersionId: token(1) });
  expect(machine.state).toBe(before);
});

test('the name or the token in use is refused', () => {
  const machine = new StateMachine().withSecret();
  expect(machine.refusal('CreateSecret', { Name: 'a', ClientRequestToken: token(2), SecretString: 'v1' })).toBe(
    'ResourceExistsException: The operation failed because the secret a already exists.',
  );
  expect(machine.refusal('CreateSecret', { Name: 'a', ClientRequestToken: token(1), SecretString: 'v2' })).toBe(
    `ResourceExistsException: You can't use ClientRequestToken ${token(1)} because that value is already in use for a version of secret ${machine.arn}.`,
  );
});

test('a secret that waits for its deletion keeps its name', () => {
  const machine = new StateMachine().withSecret();
  machine.call('DeleteSecret', { SecretId: 'a' });
  expect(machine.refusal('CreateSecret', { Name: 'a', ClientRequestToken: token(2), SecretString: 'v' })).toBe(
    "InvalidRequestException: You can't create this secret because a secret with this name is already scheduled for deletion.",
  );
});

test.each(['Inv Name', ' Inv Name', 'Inv*Name?', 'ä', 'a:b'])('the name %j is refused', (Name) => {
  expect(new StateMachine().refusal('CreateSecret', { Name, ClientRequestToken: token(1) })).toBe(
    'ValidationException: Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
  );
});

test('a missing token is refused before the secret is looked up, RotateSecret with a type of its own', () => {
  const machine = new StateMachine();
  expect(machine.refusal('CreateSecret', { Name: 'a', SecretString: 'v' })).toBe(`InvalidRequestException: ${MISSING}`);
  expect(machine.refusal('PutSecretValue', { SecretId: 'a', SecretString: 'v' })).toBe(
    `InvalidRequestException: ${MISSING}`,
  );
  expect(machine.refusal('UpdateSecret', { SecretId: 'a' })).toBe(`InvalidRequestException: ${MISSING}`);
  expect(machine.refusal('RotateSecret', { SecretId: 'a' })).toBe(`InvalidParameterException: ${MISSING}`);
});

test('two values and bad tags are refused', () => {
  const machine = new StateMachine();
  const refusal = (more: object): string =>
    machine.refusal('CreateSecret', { Name: 'a', ClientRequestToken: token(1), ...more });
  expect(refusal({ SecretString: 'v', SecretBinary: 'dg==' })).toMatch(/^InvalidParameterException: .*both a binary/);
  expect(refusal({ Tags: [{ Key: 'x' }, { Key: 'x' }] })).toMatch(/^InvalidParameterException: .*only once/);
});

test('everything that was set is described, and nothing else', () => {
  const machine = new StateMachine();
  machine.call('CreateSecret', {
    Name: 'a',
    ClientRequestToken: token(1),
    SecretBinary: 'dg==',
    Description: 'what it is',
    KmsKeyId: 'alias/mine',
    Tags: [{ Key: 'k', Value: 'v' }],
  });
  expect(machine.call('DescribeSecret', { SecretId: machine.arn })).toEqual({
    ARN: machine.arn,
    Name: 'a',
    Description: 'what it is',
    KmsKeyId: 'alias/mine',
    LastChangedDate: START / 1000,
    Tags: [{ Key: 'k', Value: 'v' }],
    CreatedDate: START / 1000,
    VersionIdsToStages: { [token(1)]: ['AWSCURRENT'] },
  });
});

describe('finding a secret', () => {
  const machine = new StateMachine().withSecret();
  const NOT_FOUND = "ResourceNotFoundException: Secrets Manager can't find the specified secret.";

  test('by name, by ARN, by ARN without its suffix', () => {
    for (const SecretId of ['a', machine.arn, machine.arn.slice(0, -7)]) {
      expect(machine.call('DescribeSecret', { SecretId })).toMatchObject({ ARN: machine.arn });
    }
  });

  test('not by what only looks alike', () => {
    for (const SecretId of ['A', 'b', `${machine.arn}x`, machine.arn.slice(0, -1), 'constructor', '__proto__']) {
      expect(machine.refusal('DescribeSecret', { SecretId })).toBe(NOT_FOUND);
    }
  });

  test('an ARN that ends in a hyphen and six characters counts as complete', () => {
    const named = new StateMachine();
    named.call('CreateSecret', { Name: 'a-b1c2d3', ClientRequestToken: token(1) });
    const [arn = ''] = Object.keys(named.state.secrets);
    expect(named.call('DescribeSecret', { SecretId: arn })).toMatchObject({ Name: 'a-b1c2d3' });
    expect(named.refusal('DescribeSecret', { SecretId: arn.slice(0, -7) })).toBe(NOT_FOUND);
  });
});

describe('deleting a secret', () => {
  test('it waits 30 days, or as many as were asked for', () => {
    const machine = new StateMachine().withSecret();
    expect(machine.call('DeleteSecret', { SecretId: 'a' })).toEqual({
      ARN: machine.arn,
      Name: 'a',
      DeletionDate: (START + 30 * DAY) / 1000,
    });
    const sooner = new StateMachine().withSecret();
    sooner.call('DeleteSecret', { SecretId: 'a', RecoveryWindowInDays: 7 });
    expect(sooner.call('DescribeSecret', { SecretId: 'a' })).toMatchObject({ DeletedDate: (START + 7 * DAY) / 1000 });
  });

  test('meanwhile only description, listing of versions and restoring are answered', () => {
    const machine = new StateMachine().withSecret();
    machine.call('DeleteSecret', { SecretId: 'a' });
    const refused = [
      ['GetSecretValue', {}],
      ['PutSecretValue', { ClientRequestToken: token(2), SecretString: 'v' }],
      ['UpdateSecret', { ClientRequestToken: token(2) }],
      ['UpdateSecretVersionStage', { VersionStage: 'x', MoveToVersionId: token(1) }],
      ['RotateSecret', { ClientRequestToken: token(2) }],
      ['CancelRotateSecret', {}],
      ['DeleteSecret', {}],
      ['TagResource', { Tags: [] }],
      ['UntagResource', { TagKeys: [] }],
      ['GetResourcePolicy', {}],
      ['PutResourcePolicy', { ResourcePolicy: '{}' }],
      ['DeleteResourcePolicy', {}],
    ] as const;
    for (const [name, input] of refused) {
      expect(machine.refusal(name, { SecretId: 'a', ...input })).toBe(
        "InvalidRequestException: You can't perform this operation on the secret because it was marked for deletion.",
      );
    }
    expect(machine.call('DescribeSecret', { SecretId: 'a' })).toHaveProperty('DeletedDate');
    expect(machine.call('ListSecretVersionIds', { SecretId: 'a' })).toHaveProperty('Versions');
    expect(machine.call('RestoreSecret', { SecretId: 'a' })).toEqual({ ARN: machine.arn, Name: 'a' });
    expect(machine.call('GetSecretValue', { SecretId: 'a' })).toMatchObject({ SecretString: 'v1' });
  });

  test('by force it is gone at once, even if it was marked before or never was there', () => {
    const machine = new StateMachine().withSecret();
    machine.call('DeleteSecret', { SecretId: 'a' });
    machine.call('DeleteSecret', { SecretId: 'a', ForceDeleteWithoutRecovery: true });
    expect(machine.state.secrets).toEqual({});
    expect(machine.call('DeleteSecret', { SecretId: 'a', ForceDeleteWithoutRecovery: true })).toEqual({
      ARN: expect.stringMatching(/^arn:aws:secretsmanager:us-east-1:123456789012:secret:a-[a-zA-Z0-9]{6}$/) as unknown,
      Name: 'a',
      DeletionDate: START / 1000,
    });
    expect(machine.refusal('DeleteSecret', { SecretId: 'a' })).toMatch(/^ResourceNotFoundException/);
  });

  test('a window out of range, or with force, is refused', () => {
    const machine = new StateMachine().withSecret();
    const refusal = (more: object): string => machine.refusal('DeleteSecret', { SecretId: 'a', ...more });
    expect(refusal({ RecoveryWindowInDays: 6 })).toMatch('between 7 and 30 days (inclusive)');
    expect(refusal({ RecoveryWindowInDays: 31 })).toMatch('between 7 and 30 days (inclusive)');
    expect(refusal({ RecoveryWindowInDays: 6, ForceDeleteWithoutRecovery: true })).toMatch('between 7 and 30 days');
    expect(refusal({ RecoveryWindowInDays: 7, ForceDeleteWithoutRecovery: true })).toBe(
      "InvalidParameterException: You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
    );
  });

  test('restoring what is not deleted changes nothing', () => {
    const machine = new StateMachine().withSecret();
    const before = machine.state;
    machine.call('RestoreSecret', { SecretId: 'a' });
    expect(machine.state).toBe(before);
  });
});
