import { StateMachine } from '../support/state-machine.ts';

function policy(statement: object | object[] = {}, version = '2012-10-17'): string {
  const base = { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::123456789012:root' }, Action: '*', Resource: '*' };
  const statements = Array.isArray(statement) ? statement : [{ ...base, ...statement }];
  return JSON.stringify({ Version: version, Statement: statements });
}

test('a policy is kept as it was written, given back and deleted', () => {
  const machine = new StateMachine().withSecret();
  const names = { ARN: machine.arn, Name: 'a' };
  expect(machine.call('GetResourcePolicy', { SecretId: 'a' })).toEqual(names);
  const ResourcePolicy = ` ${policy()} `;
  machine.now += 1000;
  expect(machine.call('PutResourcePolicy', { SecretId: 'a', ResourcePolicy })).toEqual(names);
  expect(machine.secret.lastChangedDate).toBe(machine.now);
  expect(machine.call('GetResourcePolicy', { SecretId: 'a' })).toEqual({ ...names, ResourcePolicy });
  expect(machine.call('DeleteResourcePolicy', { SecretId: 'a' })).toEqual(names);
  expect(machine.call('GetResourcePolicy', { SecretId: 'a' })).toEqual(names);
  const before = machine.state;
  expect(machine.call('DeleteResourcePolicy', { SecretId: 'a' })).toEqual(names);
  expect(machine.state).toBe(before);
});

test.each([
  'x',
  '1',
  'null',
  '[]',
  '{}',
  policy([]),
  policy(['x' as unknown as object]),
  policy({}, '2019-10-19'),
  policy({ Effect: 'Maybe' }),
  policy({ Principal: undefined }),
  policy({ Action: undefined }),
  policy({ Resource: undefined }),
  policy({ NotAction: '*' }),
])('%s is malformed', (ResourcePolicy) => {
  const machine = new StateMachine().withSecret();
  const MALFORMED = 'MalformedPolicyDocumentException: This policy has invalid syntax.';
  expect(machine.refusal('PutResourcePolicy', { SecretId: 'a', ResourcePolicy })).toBe(MALFORMED);
  expect(machine.refusal('ValidateResourcePolicy', { ResourcePolicy })).toBe(MALFORMED);
});

test.each([
  ['a wildcard', { Principal: '*' }, true],
  ['a wildcard in a list', { Principal: { AWS: ['arn:aws:iam::1:root', '*'] } }, true],
  ['everybody but one', { Principal: undefined, NotPrincipal: { AWS: 'x' } }, true],
  ['a wildcard with a condition', { Principal: '*', Condition: { StringEquals: { 'aws:x': 'y' } } }, false],
  ['a denied wildcard', { Principal: '*', Effect: 'Deny' }, false],
  ['a service', { Principal: { Service: 'lambda.amazonaws.com' } }, false],
  ['one account', {}, false],
])('%s', (_name, statement, isPublic) => {
  const machine = new StateMachine().withSecret();
  const ResourcePolicy = policy(statement);
  expect(machine.call('ValidateResourcePolicy', { SecretId: 'a', ResourcePolicy })).toMatchObject({
    PolicyValidationPassed: !isPublic,
  });
  const input = { SecretId: 'a', ResourcePolicy, BlockPublicPolicy: true };
  if (isPublic) expect(machine.refusal('PutResourcePolicy', input)).toMatch(/^PublicPolicyException/);
  else machine.call('PutResourcePolicy', input);
  machine.call('PutResourcePolicy', { ...input, BlockPublicPolicy: false });
});

test('a policy is validated for a secret that exists, or for none', () => {
  const machine = new StateMachine();
  expect(machine.refusal('ValidateResourcePolicy', { SecretId: 'a', ResourcePolicy: policy() })).toMatch(
    /^ResourceNotFound/,
  );
  expect(machine.call('ValidateResourcePolicy', { ResourcePolicy: policy() })).toEqual({
    PolicyValidationPassed: true,
    ValidationErrors: [],
  });
});

test('a policy of more than 20,480 characters is refused', () => {
  const machine = new StateMachine().withSecret();
  const ResourcePolicy = policy({ Sid: 'x'.repeat(20_480) });
  expect(machine.refusal('PutResourcePolicy', { SecretId: 'a', ResourcePolicy })).toMatch(
    'less than or equal to 20480',
  );
});
