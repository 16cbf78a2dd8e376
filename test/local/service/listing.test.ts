import { StateMachine, token } from '../support/state-machine.ts';

describe('ListSecretVersionIds', () => {
  function threeVersions(): StateMachine {
    const machine = new StateMachine().withSecret();
    machine.put(2);
    machine.put(3);
    return machine;
  }
  const ids = (answer: Readonly<Record<string, unknown>>): unknown[] => {
    const versions: unknown = answer['Versions'];
    return Array.isArray(versions)
      ? versions.map((version: { VersionId: string }) => Number(version.VersionId.slice(-12)))
      : [];
  };

  test('leaves out versions without labels unless they are asked for', () => {
    const machine = threeVersions();
    expect(ids(machine.call('ListSecretVersionIds', { SecretId: 'a' }))).toEqual([2, 3]);
    const all = machine.call('ListSecretVersionIds', { SecretId: 'a', IncludeDeprecated: true });
    expect(ids(all)).toEqual([1, 2, 3]);
    expect(all).toMatchObject({ ARN: machine.arn, Name: 'a' });
    expect(all).not.toHaveProperty('NextToken');
  });

  test('comes in pages', () => {
    const machine = threeVersions();
    const page = (more: object): Readonly<Record<string, unknown>> =>
      machine.call('ListSecretVersionIds', { SecretId: 'a', IncludeDeprecated: true, MaxResults: 2, ...more });
    const first = page({});
    expect(ids(first)).toEqual([1, 2]);
    const second = page({ NextToken: first['NextToken'] });
    expect(ids(second)).toEqual([3]);
    expect(second).not.toHaveProperty('NextToken');
    for (const NextToken of ['x', Buffer.from('page-from:x').toString('base64'), Buffer.from('2').toString('base64')]) {
      expect(machine.refusal('ListSecretVersionIds', { SecretId: 'a', NextToken })).toMatch(
        /^InvalidNextTokenException/,
      );
    }
  });
});

/** Three secrets, a minute apart. */
function threeSecrets(): StateMachine {
  const machine = new StateMachine();
  const create = (Name: string, more: object): void => {
    machine.call('CreateSecret', { Name, ClientRequestToken: token(1), SecretString: Name, ...more });
    machine.now += 60_000;
  };
  create('prod/db', { Description: 'The database of patients', Tags: [{ Key: 'team', Value: 'blue' }] });
  create('prod/key', {
    Description: 'Encryption key',
    Tags: [
      { Key: 'team', Value: 'red' },
      { Key: 'Stage', Value: 'prod' },
    ],
  });
  create('dev/db', {});
  return machine;
}

function names(answer: Readonly<Record<string, unknown>>, member: string): string[] {
  const listed: unknown = answer[member];
  return Array.isArray(listed) ? listed.map(({ Name }: { Name: string }) => Name) : [];
}

describe('ListSecrets', () => {
  const list = (input: object, machine = threeSecrets()): string[] =>
    names(machine.call('ListSecrets', input), 'SecretList');

  test.each([
    ['as they were made', {}, ['prod/db', 'prod/key', 'dev/db']],
    ['latest first', { SortOrder: 'desc' }, ['dev/db', 'prod/key', 'prod/db']],
    ['by name', { SortBy: 'name', SortOrder: 'asc' }, ['dev/db', 'prod/db', 'prod/key']],
    ['by last change', { SortBy: 'last-changed-date', SortOrder: 'desc' }, ['dev/db', 'prod/key', 'prod/db']],
  ])('lists secrets %s', (_name, input, expected) => {
    expect(list(input)).toEqual(expected);
  });

  test('by last access', () => {
    const machine = threeSecrets();
    machine.call('GetSecretValue', { SecretId: 'prod/key' });
    expect(list({ SortBy: 'last-accessed-date', SortOrder: 'desc' }, machine)[0]).toBe('prod/key');
  });

  test('comes in pages', () => {
    const machine = threeSecrets();
    const first = machine.call('ListSecrets', { MaxResults: 2 });
    expect(names(first, 'SecretList')).toEqual(['prod/db', 'prod/key']);
    expect(list({ MaxResults: 2, NextToken: first['NextToken'] }, machine)).toEqual(['dev/db']);
  });

  test('leaves out what waits for its deletion unless it is asked for', () => {
    const machine = threeSecrets();
    machine.call('DeleteSecret', { SecretId: 'dev/db' });
    expect(list({}, machine)).toEqual(['prod/db', 'prod/key']);
    expect(list({ IncludePlannedDeletion: true }, machine)).toHaveLength(3);
  });

  test('shows what DescribeSecret shows, labels under their other name', () => {
    const machine = new StateMachine().withSecret();
    const { VersionIdsToStages, ...details } = machine.call('DescribeSecret', { SecretId: 'a' });
    expect(machine.call('ListSecrets', {})).toEqual({
      SecretList: [{ ...details, SecretVersionsToStages: VersionIdsToStages }],
    });
  });
});

describe('BatchGetSecretValue', () => {
  test('reads what it can and names what it cannot', () => {
    const machine = threeSecrets();
    machine.call('DeleteSecret', { SecretId: 'dev/db' });
    const answer = machine.call('BatchGetSecretValue', { SecretIdList: ['prod/db', 'none', 'dev/db'] });
    expect(names(answer, 'SecretValues')).toEqual(['prod/db']);
    expect(answer['Errors']).toEqual([
      {
        SecretId: 'none',
        ErrorCode: 'ResourceNotFoundException',
        Message: "Secrets Manager can't find the specified secret.",
      },
      {
        SecretId: 'dev/db',
        ErrorCode: 'InvalidRequestException',
        Message: "You can't perform this operation on the secret because it was marked for deletion.",
      },
    ]);
  });

  test('reads what a filter finds, in pages', () => {
    const machine = threeSecrets();
    const input = { Filters: [{ Key: 'name', Values: ['prod'] }], MaxResults: 1 };
    const first = machine.call('BatchGetSecretValue', input);
    expect(names(first, 'SecretValues')).toEqual(['prod/db']);
    const second = machine.call('BatchGetSecretValue', { ...input, NextToken: first['NextToken'] });
    expect(names(second, 'SecretValues')).toEqual(['prod/key']);
    expect(machine.call('ListSecrets', { Filters: [{ Key: 'name', Values: ['prod/db'] }] })).toMatchObject({
      SecretList: [{ LastAccessedDate: expect.any(Number) as number }],
    });
  });

  test('takes a list or a filter, and a page size with a filter alone', () => {
    const machine = threeSecrets();
    const refusal = (input: object): string => machine.refusal('BatchGetSecretValue', input);
    expect(refusal({})).toMatch(/^InvalidParameterException/);
    expect(refusal({ SecretIdList: ['a'], Filters: [] })).toMatch(/^InvalidParameterException/);
    expect(refusal({ SecretIdList: ['a'], MaxResults: 1 })).toMatch(/^InvalidParameterException/);
  });
});
