import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import type { Context } from 'aws-lambda';
import { mockClient, type AwsClientStub } from 'aws-sdk-client-mock';
import { token } from '../local/support/state-machine.ts';
import { keyOf } from '../support/ring.ts';

const SECRET = 'pazpaz/encryption-key-v1';
const CONTEXT = {
  functionName: 'rotation',
  awsRequestId: 'request-1',
  invokedFunctionArn: 'arn:aws:lambda:us-east-1:123456789012:function:rotation',
  memoryLimitInMB: '256',
  getRemainingTimeInMillis: () => 30_000,
} as unknown as Context;

let mock: AwsClientStub<SecretsManagerClient>;
let lines: Readonly<Record<string, unknown>>[];
let handler: (event: unknown, context: Context) => Promise<void>;

beforeAll(async () => {
  process.env['AWS_REGION'] = 'us-east-1';
  // The logger takes a console of its own, except in developer mode: then it takes the one that a test can hear.
  process.env['POWERTOOLS_DEV'] = 'true';
  ({ handler } = await import('../../src/handler.ts'));
});

beforeEach(() => {
  lines = [];
  const hear = (line?: unknown): void => {
    lines.push(JSON.parse(String(line)) as Readonly<Record<string, unknown>>);
  };
  jest.spyOn(console, 'info').mockImplementation(hear);
  jest.spyOn(console, 'error').mockImplementation(hear);
  mock = mockClient(SecretsManagerClient);
  mock.onAnyCommand().rejects(new Error('no one expects this call'));
});

afterEach(() => {
  mock.restore();
  jest.restoreAllMocks();
  for (const name of ['SECRET_ARN', 'NODE_DEBUG']) Reflect.deleteProperty(process.env, name);
});

const STEP = { Step: 'setSecret', SecretId: SECRET, ClientRequestToken: token(2) };
const RING = { [token(1)]: ['AWSCURRENT', 'key-v1'], [token(2)]: ['AWSPENDING'] };

/** Every line's registered parts. */
const registered = () => lines.map(({ level, message, event }) => ({ level, message, event }));

test('a step is run on the secret and the version that the event names, and logged under registered names', async () => {
  mock
    .on(DescribeSecretCommand, { SecretId: SECRET }, true)
    .resolves({ RotationEnabled: true, VersionIdsToStages: RING });
  await handler(STEP, CONTEXT);
  expect(mock.calls()).toHaveLength(1);
  expect(registered()).toEqual([
    { level: 'INFO', event: 'rotation_step_started', message: 'A step of the rotation begins' },
    { level: 'INFO', event: 'rotation_step_finished', message: 'A step of the rotation is done' },
  ]);
  expect(lines[0]).toMatchObject({
    service: 'pazpaz-key-rotation',
    function_request_id: 'request-1',
    step: 'setSecret',
    secretId: SECRET,
    versionId: token(2),
  });
});

test('createSecret puts 32 random bytes under the token, another time others', async () => {
  const current = { SecretId: SECRET, VersionId: token(1) };
  mock
    .on(DescribeSecretCommand, { SecretId: SECRET }, true)
    .resolves({ RotationEnabled: true, VersionIdsToStages: RING });
  mock.on(GetSecretValueCommand, current, true).resolves({ SecretString: keyOf(1).toString('base64') });
  mock.on(PutSecretValueCommand).resolves({ VersionStages: ['AWSPENDING'] });
  await handler({ ...STEP, Step: 'createSecret' }, CONTEXT);
  await handler({ ...STEP, Step: 'createSecret' }, CONTEXT);
  const puts = mock.commandCalls(PutSecretValueCommand).map(({ args: [{ input }] }) => input);
  for (const { SecretString, ...put } of puts) {
    expect(put).toEqual({ SecretId: SECRET, ClientRequestToken: token(2), VersionStages: ['AWSPENDING'] });
    expect(Buffer.from(SecretString ?? '', 'base64')).toHaveLength(32);
  }
  expect(puts[0]?.SecretString).not.toBe(puts[1]?.SecretString);
  expect(registered()).toContainEqual({
    level: 'INFO',
    event: 'key_created',
    message: 'A new key is stored under AWSPENDING',
  });
});

test('a failure is logged with its code and reason, and rejects with the same error', async () => {
  mock.on(DescribeSecretCommand).resolves({ VersionIdsToStages: RING });
  await expect(handler(STEP, CONTEXT)).rejects.toMatchObject({ name: 'KeyRotationError', code: 'ROTATION_DISABLED' });
  expect(lines.at(-1)).toMatchObject({
    level: 'ERROR',
    event: 'rotation_step_failed',
    message: 'A step of the rotation failed; Secrets Manager tries again',
    step: 'setSecret',
    code: 'ROTATION_DISABLED',
    reason: expect.stringContaining('Rotation is not enabled') as string,
  });
});

test('a fault of the program is logged by its name alone: its message could hold anything', async () => {
  const input = { ...STEP, Step: 'createSecret' };
  mock.on(DescribeSecretCommand).resolves({ RotationEnabled: true, VersionIdsToStages: RING });
  mock.on(GetSecretValueCommand).resolves({ SecretString: 7 as unknown as string });
  await expect(handler(input, CONTEXT)).rejects.toThrow(TypeError);
  expect(lines.at(-1)).toMatchObject({ event: 'rotation_step_failed', code: 'UNEXPECTED', reason: 'TypeError' });
});

test('adoption looks after the secret of SECRET_ARN, as it is when the event comes', async () => {
  process.env['SECRET_ARN'] = 'arn:of:the:secret';
  mock.on(DescribeSecretCommand, { SecretId: 'arn:of:the:secret' }, true).resolves({
    VersionIdsToStages: { [token(1)]: ['AWSCURRENT', 'key-v1'] },
    CreatedDate: new Date(),
  });
  await handler({ 'detail-type': 'Scheduled Event' }, CONTEXT);
  expect(registered()).toEqual([{ level: 'INFO', event: 'key_ring_state', message: 'The state of the key ring' }]);
  expect(lines[0]).toMatchObject({
    freeSlots: 16,
    currentNumber: 1,
    daysSinceRotation: 0,
    daysOverdue: 0,
    pending: 'none',
  });
});

test('adoption without SECRET_ARN is refused', async () => {
  await expect(handler({ 'detail-type': 'Scheduled Event' }, CONTEXT)).rejects.toMatchObject({
    code: 'NO_SECRET_CONFIGURED',
  });
});

test.each(['', undefined])('NODE_DEBUG may be %p', async (value) => {
  if (value !== undefined) process.env['NODE_DEBUG'] = value;
  await expect(handler({}, CONTEXT)).rejects.toMatchObject({ code: 'NOT_A_ROTATION_EVENT' });
});

test('NODE_DEBUG with a value is refused before anything is read', async () => {
  process.env['NODE_DEBUG'] = 'stream';
  await expect(handler(STEP, CONTEXT)).rejects.toMatchObject({
    code: 'INVALID_SETTINGS',
    message: expect.stringContaining('NODE_DEBUG must not be set') as string,
  });
  expect(mock.calls()).toEqual([]);
});

test('every log message is one sentence under a name of its own', async () => {
  const { LOG_EVENTS } = await import('../../src/secret/log-events.ts');
  const messages = Object.values(LOG_EVENTS).map(({ message }) => message);
  expect(new Set(messages).size).toBe(messages.length);
  for (const [event, { message }] of Object.entries(LOG_EVENTS)) {
    expect(event).toMatch(/^[a-z]+(_[a-z]+)+$/);
    expect(message).toMatch(/^[A-Z].*[^.]$/);
  }
  expect(Object.fromEntries(Object.entries(LOG_EVENTS).map(([event, { level }]) => [event, level]))).toEqual({
    rotation_step_started: 'info',
    rotation_step_finished: 'info',
    rotation_step_failed: 'error',
    step_started_again: 'warn',
    already_current: 'info',
    key_created: 'info',
    key_kept: 'info',
    key_numbered: 'info',
    key_proven: 'info',
    key_promoted: 'info',
    number_put_back: 'error',
    unnumbered_version_is_not_a_key: 'warn',
    version_not_visible_yet: 'warn',
    adoption_failed: 'error',
    key_ring_state: 'info',
  });
});
