import { DAY, StateMachine, START, token } from '../support/state-machine.ts';

function read(machine: StateMachine, input: object = {}): Readonly<Record<string, unknown>> {
  return machine.call('GetSecretValue', { SecretId: 'a', ...input });
}

describe('reading', () => {
  test('gives the current version, with its labels', () => {
    const machine = new StateMachine().withSecret();
    expect(read(machine)).toEqual({
      ARN: machine.arn,
      Name: 'a',
      VersionId: token(1),
      SecretString: 'v1',
      VersionStages: ['AWSCURRENT'],
      CreatedDate: START / 1000,
    });
  });

  test('by stage, by id, by both', () => {
    const machine = new StateMachine().withSecret();
    machine.put(2);
    expect(read(machine, { VersionStage: 'AWSPREVIOUS' })).toMatchObject({ VersionId: token(1) });
    expect(read(machine, { VersionId: token(1) })).toMatchObject({ SecretString: 'v1' });
    expect(read(machine, { VersionId: token(1), VersionStage: 'AWSPREVIOUS' })).toMatchObject({ SecretString: 'v1' });
    expect(machine.refusal('GetSecretValue', { SecretId: 'a', VersionId: token(1), VersionStage: 'AWSCURRENT' })).toBe(
      'InvalidRequestException: You provided a VersionStage that is not associated to the provided VersionId.',
    );
  });

  test('what is missing is named', () => {
    const machine = new StateMachine();
    machine.call('CreateSecret', { Name: 'a', ClientRequestToken: token(1) });
    const refusal = (input: object): string => machine.refusal('GetSecretValue', { SecretId: 'a', ...input });
    const CANNOT = "ResourceNotFoundException: Secrets Manager can't find the specified secret value for";
    expect(refusal({})).toBe(`${CANNOT} staging label: AWSCURRENT`);
    expect(refusal({ VersionStage: 'AWSPENDING' })).toBe(`${CANNOT} staging label: AWSPENDING`);
    expect(refusal({ VersionId: token(9) })).toBe(`${CANNOT} VersionId: ${token(9)}`);
    expect(refusal({ VersionId: token(9), VersionStage: 'AWSCURRENT' })).toBe(`${CANNOT} VersionId: ${token(9)}`);
  });

  test('a placeholder is read as if it were not there', () => {
    const machine = new StateMachine().withSecret();
    machine.rotate(2);
    expect(machine.refusal('GetSecretValue', { SecretId: 'a', VersionId: token(2) })).toMatch(
      `for VersionId: ${token(2)}`,
    );
    expect(machine.refusal('GetSecretValue', { SecretId: 'a', VersionStage: 'AWSPENDING' })).toMatch(
      'label: AWSPENDING',
    );
  });

  test('a version without labels can be read by its id, and its answer has no labels', () => {
    const machine = new StateMachine().withSecret();
    machine.put(2);
    machine.put(3);
    expect(machine.labels).toEqual({ 1: '', 2: 'AWSPREVIOUS', 3: 'AWSCURRENT' });
    expect(read(machine, { VersionId: token(1) })).not.toHaveProperty('VersionStages');
  });

  test('is noted to the day, once a day, and changes LastChangedDate no more than anything else', () => {
    const machine = new StateMachine().withSecret();
    read(machine);
    expect(machine.call('DescribeSecret', { SecretId: 'a' })).toMatchObject({
      LastAccessedDate: Date.UTC(2025, 0, 15) / 1000,
      LastChangedDate: START / 1000,
    });
    const before = machine.state;
    machine.now += 60_000;
    read(machine);
    expect(machine.state).toBe(before);
    machine.now += DAY;
    read(machine);
    expect(machine.call('ListSecretVersionIds', { SecretId: 'a' })).toMatchObject({
      Versions: [{ LastAccessedDate: Date.UTC(2025, 0, 16) / 1000 }],
    });
  });

  test('binary values come back as base64', () => {
    const machine = new StateMachine();
    machine.call('CreateSecret', { Name: 'a', ClientRequestToken: token(1), SecretBinary: 'AAECAw==' });
    expect(read(machine)).toMatchObject({ SecretBinary: 'AAECAw==' });
    expect(read(machine)).not.toHaveProperty('SecretString');
  });
});

describe('putting', () => {
  test('a value without labels makes it AWSCURRENT and the one before AWSPREVIOUS', () => {
    const machine = new StateMachine().withSecret();
    expect(machine.put(2)).toEqual({ ARN: machine.arn, Name: 'a', VersionId: token(2), VersionStages: ['AWSCURRENT'] });
    expect(machine.labels).toEqual({ 1: 'AWSPREVIOUS', 2: 'AWSCURRENT' });
  });

  test('with labels it attaches those alone, and takes them from others silently', () => {
    const machine = new StateMachine().withSecret();
    expect(machine.put(2, ['one', 'two', 'three'])).toMatchObject({ VersionStages: ['one', 'three', 'two'] });
    machine.put(3, ['one', 'two', 'four']);
    expect(machine.labels).toEqual({ 1: 'AWSCURRENT', 2: 'three', 3: 'four one two' });
  });

  test('the same token with the same value does nothing, whatever labels it names', () => {
    const machine = new StateMachine().withSecret();
    machine.put(2, ['AWSPENDING']);
    const before = machine.state;
    machine.now += 1000;
    expect(machine.put(2, ['AWSCURRENT'])).toMatchObject({ VersionStages: ['AWSPENDING'] });
    expect(machine.state).toBe(before);
  });

  test('the same token with another value is refused, and with the same bytes in another form, too', () => {
    const machine = new StateMachine().withSecret();
    const inUse = `ResourceExistsException: You can't use ClientRequestToken ${token(1)} because that value is already in use for a version of secret ${machine.arn}.`;
    const refusal = (value: object): string =>
      machine.refusal('PutSecretValue', { SecretId: 'a', ClientRequestToken: token(1), ...value });
    expect(refusal({ SecretString: 'v2' })).toBe(inUse);
    expect(refusal({ SecretBinary: Buffer.from('v1').toString('base64') })).toBe(inUse);
  });

  test('a placeholder takes its first value, keeps its label, and then keeps its value', () => {
    const machine = new StateMachine().withSecret();
    machine.rotate(2);
    machine.put(2, ['AWSPENDING']);
    expect(machine.labels).toEqual({ 1: 'AWSCURRENT', 2: 'AWSPENDING' });
    expect(read(machine, { VersionId: token(2) })).toMatchObject({ SecretString: 'v2' });
    expect(
      machine.refusal('PutSecretValue', { SecretId: 'a', ClientRequestToken: token(2), SecretString: 'x' }),
    ).toMatch(/^ResourceExistsException/);
  });

  test('a value put by hand in the middle of a rotation takes AWSPENDING away', () => {
    const machine = new StateMachine().withSecret();
    machine.rotate(2);
    machine.put(2, ['AWSPENDING']);
    machine.put(3);
    expect(machine.labels).toEqual({ 1: 'AWSPREVIOUS', 2: '', 3: 'AWSCURRENT' });
  });

  test('the first value of a secret, put as AWSPENDING, becomes AWSCURRENT as well, or does not', () => {
    const put = (firstPendingValue: 'becomes-current' | 'stays-pending'): unknown => {
      const machine = new StateMachine({ firstPendingValue });
      machine.call('CreateSecret', { Name: 'a', ClientRequestToken: token(9) });
      machine.rotate(1);
      return machine.put(1, ['AWSPENDING'])['VersionStages'];
    };
    expect(put('becomes-current')).toEqual(['AWSCURRENT', 'AWSPENDING']);
    expect(put('stays-pending')).toEqual(['AWSPENDING']);
  });

  test('a value is needed, and one is enough', () => {
    const machine = new StateMachine().withSecret();
    const refusal = (value: object): string =>
      machine.refusal('PutSecretValue', { SecretId: 'a', ClientRequestToken: token(2), ...value });
    expect(refusal({})).toBe('InvalidRequestException: You must provide either SecretString or SecretBinary.');
    expect(refusal({ SecretString: 'v', SecretBinary: 'dg==' })).toMatch(/^InvalidParameterException/);
  });

  test('a twenty-first label is refused, and nothing of the put happens', () => {
    const machine = new StateMachine().withSecret();
    const stages = Array.from({ length: 19 }, (_, n) => `l${n}`);
    machine.put(2, stages);
    expect(
      machine.refusal('PutSecretValue', {
        SecretId: 'a',
        ClientRequestToken: token(3),
        SecretString: 'v',
        VersionStages: ['l19'],
      }),
    ).toMatch(/^LimitExceededException/);
    expect(
      machine.refusal('RotateSecret', {
        SecretId: 'a',
        ClientRequestToken: token(3),
        RotationLambdaARN: 'arn:x',
      }),
    ).toMatch(/^LimitExceededException/);
    machine.put(3, stages);
    expect(machine.labels[2]).toBe('');
  });
});

describe('versions without labels', () => {
  test('go at once, or stay', () => {
    for (const [unlabelledVersions, ids] of [
      ['deleted-at-once', [2, 3]],
      ['kept', [1, 2, 3]],
    ] as const) {
      const machine = new StateMachine({ unlabelledVersions }).withSecret();
      machine.put(2);
      machine.put(3);
      expect(Object.keys(machine.labels).map(Number)).toEqual(ids);
    }
  });

  test('as documented, those older than a day go, the oldest first, while there are more than 100', () => {
    const machine = new StateMachine({ unlabelledVersions: 'as-documented' }).withSecret();
    for (let n = 2; n <= 120; n += 1) machine.put(n);
    expect(Object.keys(machine.labels)).toHaveLength(120);
    machine.now += DAY;
    machine.put(121);
    expect(Object.keys(machine.labels)).toHaveLength(100);
    expect(Object.keys(machine.labels).map(Number)[0]).toBe(22);
    expect(machine.labels).toMatchObject({ 120: 'AWSPREVIOUS', 121: 'AWSCURRENT' });
  });

  test('as documented, one with a label of its own never goes', () => {
    const machine = new StateMachine({ unlabelledVersions: 'as-documented' }).withSecret();
    machine.call('UpdateSecretVersionStage', { SecretId: 'a', VersionStage: 'key-v1', MoveToVersionId: token(1) });
    for (let n = 2; n <= 120; n += 1) {
      machine.now += DAY;
      machine.put(n);
    }
    expect(machine.labels[1]).toBe('key-v1');
    expect(Object.keys(machine.labels)).toHaveLength(100);
  });
});

describe('UpdateSecret', () => {
  test('with a value makes a new AWSCURRENT, and takes AWSPENDING away', () => {
    const machine = new StateMachine().withSecret();
    machine.rotate(2);
    const input = { SecretId: 'a', ClientRequestToken: token(3), SecretString: 'v3' };
    expect(machine.call('UpdateSecret', input)).toEqual({ ARN: machine.arn, Name: 'a', VersionId: token(3) });
    expect(machine.labels).toEqual({ 1: 'AWSPREVIOUS', 2: '', 3: 'AWSCURRENT' });
    const before = machine.state;
    machine.call('UpdateSecret', input);
    expect(machine.state).toBe(before);
    expect(machine.refusal('UpdateSecret', { ...input, SecretString: 'x' })).toMatch(/^ResourceExistsException/);
  });

  test('without a value makes no version, and its answer names none', () => {
    const machine = new StateMachine().withSecret();
    machine.now += 1000;
    const input = { SecretId: 'a', ClientRequestToken: token(2), Description: 'new' };
    expect(machine.call('UpdateSecret', input)).toEqual({ ARN: machine.arn, Name: 'a' });
    expect(machine.call('DescribeSecret', { SecretId: 'a' })).toMatchObject({
      Description: 'new',
      LastChangedDate: machine.now / 1000,
    });
    machine.call('UpdateSecret', { ...input, Description: '' });
    expect(machine.call('DescribeSecret', { SecretId: 'a' })).not.toHaveProperty('Description');
  });

  test('with nothing at all changes nothing', () => {
    const machine = new StateMachine().withSecret();
    const before = machine.state;
    machine.call('UpdateSecret', { SecretId: 'a', ClientRequestToken: token(2) });
    expect(machine.state).toBe(before);
  });

  test("with a KMS key re-encrypts the versions with AWS's own labels alone", () => {
    const machine = new StateMachine().withSecret();
    machine.put(2, ['key-v2']);
    machine.call('UpdateSecret', { SecretId: 'a', ClientRequestToken: token(3), KmsKeyId: 'alias/mine' });
    const keys = (): unknown => Object.values(machine.secret.versions).map((version) => version.kmsKeyId);
    expect(keys()).toEqual(['alias/mine', undefined]);
    expect(machine.call('ListSecretVersionIds', { SecretId: 'a' })).toMatchObject({
      Versions: [{ KmsKeyIds: ['alias/mine'] }, { KmsKeyIds: ['DefaultEncryptionKey'] }],
    });
    machine.call('UpdateSecret', { SecretId: 'a', ClientRequestToken: token(3), KmsKeyId: '' });
    expect(keys()).toEqual([undefined, undefined]);
    expect(machine.call('DescribeSecret', { SecretId: 'a' })).not.toHaveProperty('KmsKeyId');
  });
});
