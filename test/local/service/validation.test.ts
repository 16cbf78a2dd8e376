import { StateMachine, token } from '../support/state-machine.ts';

const machine = new StateMachine().withSecret();

test.each([
  [
    'DescribeSecret',
    {},
    "1 validation error detected: Value null at 'secretId' failed to satisfy constraint: Member must not be null",
  ],
  [
    'DescribeSecret',
    { SecretId: null },
    "1 validation error detected: Value null at 'secretId' failed to satisfy constraint: Member must not be null",
  ],
  [
    'DescribeSecret',
    { SecretId: '' },
    "1 validation error detected: Value '' at 'secretId' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'GetSecretValue',
    { SecretId: 'a', VersionId: 'short' },
    "1 validation error detected: Value 'short' at 'versionId' failed to satisfy constraint: Member must have length greater than or equal to 32",
  ],
  [
    'GetSecretValue',
    { SecretId: 'a', VersionId: 'x'.repeat(65) },
    `1 validation error detected: Value '${'x'.repeat(65)}' at 'versionId' failed to satisfy constraint: Member must have length less than or equal to 64`,
  ],
  [
    'UpdateSecretVersionStage',
    { VersionStage: '' },
    "2 validation errors detected: Value null at 'secretId' failed to satisfy constraint: Member must not be null; Value '' at 'versionStage' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'ListSecrets',
    { MaxResults: 0 },
    "1 validation error detected: Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1",
  ],
  [
    'ListSecrets',
    { MaxResults: 101 },
    "1 validation error detected: Value '101' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100",
  ],
  [
    'ListSecrets',
    { SortOrder: 'up' },
    "1 validation error detected: Value 'up' at 'sortOrder' failed to satisfy constraint: Member must satisfy enum value set: [asc, desc]",
  ],
  [
    'TagResource',
    { SecretId: 'a', Tags: [{ Key: 'x', Value: '' }, { Key: '' }] },
    "1 validation error detected: Value '' at 'tags.2.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    'RotateSecret',
    { SecretId: 'a', ClientRequestToken: token(2), RotationRules: { Duration: '3d' } },
    "1 validation error detected: Value '3d' at 'rotationRules.duration' failed to satisfy constraint: Member must satisfy regular expression pattern: [0-9]+h",
  ],
  [
    'BatchGetSecretValue',
    { SecretIdList: [] },
    "1 validation error detected: Value '[]' at 'secretIdList' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
] as const)('%s refuses %j in the words of the service', (operation, input, message) => {
  expect(machine.refusal(operation, input)).toBe(`ValidationException: ${message}`);
});

test('a value is never part of the message', () => {
  const input = { SecretId: 'a', ClientRequestToken: token(2), SecretString: 'x'.repeat(65_537) };
  expect(machine.refusal('PutSecretValue', input)).toBe(
    "ValidationException: 1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536",
  );
  expect(machine.refusal('PutSecretValue', { ...input, SecretString: 'v', RotationToken: 'secret?' })).not.toContain(
    'secret?',
  );
});

test('a value of 65,536 bytes is accepted, one more is refused, in whatever characters', () => {
  const put =
    (SecretString: string): (() => unknown) =>
    () =>
      new StateMachine()
        .withSecret()
        .call('PutSecretValue', { SecretId: 'a', ClientRequestToken: token(2), SecretString });
  expect(put('é'.repeat(32_768))).not.toThrow();
  expect(put('é'.repeat(32_768) + 'x')).toThrow('less than or equal to 65536');
});

test('binary values are limited by their bytes, not by their base64', () => {
  const put =
    (bytes: number): (() => unknown) =>
    () =>
      new StateMachine().withSecret().call('PutSecretValue', {
        SecretId: 'a',
        ClientRequestToken: token(2),
        SecretBinary: Buffer.alloc(bytes).toString('base64'),
      });
  expect(put(65_536)).not.toThrow();
  expect(put(65_537)).toThrow('less than or equal to 65536');
  expect(put(0)).toThrow('greater than or equal to 1');
});

test.each([
  ['DescribeSecret', { SecretId: 5 }, 'NUMBER_VALUE can not be converted to a String'],
  ['DescribeSecret', { SecretId: true }, 'TRUE_VALUE can not be converted to a String'],
  ['DescribeSecret', { SecretId: ['a'] }, 'Start of structure or map found where not expected.'],
  ['DescribeSecret', { SecretId: { a: 1 } }, 'Start of structure or map found where not expected.'],
  ['ListSecrets', { MaxResults: '5' }, 'STRING_VALUE can not be converted to a Long'],
  ['ListSecrets', { IncludePlannedDeletion: 'yes' }, 'STRING_VALUE can not be converted to a Boolean'],
  ['UntagResource', { SecretId: 'a', TagKeys: 'x' }, 'STRING_VALUE can not be converted to a List'],
  ['DescribeSecret', ['a'], 'Start of structure or map found where not expected.'],
  ['DescribeSecret', 'a', 'STRING_VALUE can not be converted to a Structure'],
  ['DescribeSecret', null, 'NULL_VALUE can not be converted to a Structure'],
  [
    'PutSecretValue',
    { SecretId: 'a', ClientRequestToken: token(2), SecretBinary: '*?' },
    'Blobs must be base64 encoded',
  ],
] as const)('%s answers %j with SerializationException', (operation, input, message) => {
  expect(machine.refusal(operation, input)).toBe(`SerializationException: ${message}`);
});

test('members that the model does not know are ignored', () => {
  expect(machine.call('DescribeSecret', { SecretId: 'a', Colour: 'blue' })).toMatchObject({ Name: 'a' });
});
