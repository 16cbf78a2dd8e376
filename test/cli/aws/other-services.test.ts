import { DescribeKeyCommand, KMSClient, KMSServiceException } from '@aws-sdk/client-kms';
import { GetFunctionConfigurationCommand, LambdaClient, LambdaServiceException } from '@aws-sdk/client-lambda';
import { mockClient } from 'aws-sdk-client-mock';
import { kmsKeyStateOf } from '../../../src/cli/aws/kms-key-state.ts';
import { whyNotAsked } from '../../../src/cli/aws/other-services.ts';
import { rotationFunctionOf } from '../../../src/cli/aws/rotation-function.ts';

const KEY = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const ARN = 'arn:aws:lambda:eu-west-1:123456789012:function:PazPazKeyRotation';

const kms = mockClient(KMSClient);
const lambda = mockClient(LambdaClient);
beforeEach(() => {
  kms.reset().onAnyCommand().callsFake(unexpected);
  lambda.reset().onAnyCommand().callsFake(unexpected);
});
afterAll(() => {
  kms.restore();
  lambda.restore();
});

function unexpected(input: unknown): never {
  throw new Error(`no one expects ${JSON.stringify(input)}`);
}

const refusal = (name: string) => ({ name, message: 'not for you', $fault: 'client', $metadata: {} }) as const;

describe('the state of a KMS key', () => {
  test.each(['Enabled', 'Disabled', 'PendingDeletion'] as const)('is %s as DescribeKey says', async (KeyState) => {
    kms.on(DescribeKeyCommand, { KeyId: KEY }, true).resolves({ KeyMetadata: { KeyId: KEY, KeyState } });
    expect(await kmsKeyStateOf({}, 'us-east-1')(KEY)).toEqual({ state: KeyState });
  });

  test.each([
    ['AccessDeniedException', {}],
    ['NotFoundException', { isFault: true }],
  ])('is unknown after %s, which names the key; what is no want of a permission is a fault', async (name, more) => {
    kms.on(DescribeKeyCommand, { KeyId: KEY }, true).rejects(new KMSServiceException(refusal(name)));
    expect(await kmsKeyStateOf({}, 'us-east-1')(KEY)).toEqual({ unknown: `${name} for ${KEY}`, ...more });
  });

  test('is unknown without an answer, and with one that says nothing', async () => {
    kms.on(DescribeKeyCommand, { KeyId: KEY }, true).rejectsOnce(new Error('connect ETIMEDOUT')).resolves({});
    const stateOf = kmsKeyStateOf({}, 'us-east-1');
    expect(await stateOf(KEY)).toEqual({ unknown: `Error for ${KEY}` });
    expect(await stateOf(KEY)).toEqual({ unknown: 'no state in the answer' });
  });
});

describe('the function of a rotation', () => {
  const asked = () => lambda.on(GetFunctionConfigurationCommand, { FunctionName: ARN }, true);

  test('exists, and logs to the group that it is configured with', async () => {
    asked().resolves({ FunctionName: 'PazPazKeyRotation', LoggingConfig: { LogGroup: 'stack-group' } });
    expect(await rotationFunctionOf(ARN, {})).toEqual({ exists: true, logGroup: 'stack-group' });
  });

  test("logs to Lambda's own group where nothing is configured", async () => {
    asked().resolves({ FunctionName: 'PazPazKeyRotation' });
    expect(await rotationFunctionOf(ARN, {})).toEqual({ exists: true, logGroup: '/aws/lambda/PazPazKeyRotation' });
  });

  test('is looked for in the region of its ARN', async () => {
    let region: string | undefined;
    asked().callsFake(async (_, client: () => LambdaClient) => {
      region = await client().config.region();
      return {};
    });
    await rotationFunctionOf(ARN, {});
    expect(region).toBe('eu-west-1');
  });

  test('does not exist', async () => {
    asked().rejects(new LambdaServiceException(refusal('ResourceNotFoundException')));
    expect(await rotationFunctionOf(ARN, {})).toEqual({ exists: false });
  });

  test.each([
    ['AccessDeniedException', {}],
    ['TooManyRequestsException', { isFault: true }],
  ])('is unknown after %s; what is no want of a permission is a fault', async (name, more) => {
    asked().rejects(new LambdaServiceException(refusal(name)));
    expect(await rotationFunctionOf(ARN, {})).toEqual({
      unknown: `lambda:GetFunctionConfiguration: ${name} for ${ARN}`,
      ...more,
    });
  });

  test('is unknown without an answer', async () => {
    asked().rejects(Object.assign(new Error('late'), { name: 'TimeoutError' }));
    expect(await rotationFunctionOf(ARN, {})).toMatchObject({
      unknown: expect.stringContaining('TimeoutError') as string,
    });
  });
});

describe('another service of AWS', () => {
  test.each([
    'secretsmanager.us-east-1.amazonaws.com',
    'secretsmanager-fips.us-gov-west-1.amazonaws.com',
    'secretsmanager.cn-north-1.amazonaws.com.cn',
    'vpce-0a1b2c3d-4e5f.secretsmanager.us-east-1.vpce.amazonaws.com',
  ])('is asked where %s has answered for Secrets Manager', (host) => {
    expect(whyNotAsked('LAMBDA', host, {})).toBeUndefined();
  });

  test('is not asked about the secrets of a local service', () => {
    expect(whyNotAsked('KMS', '127.0.0.1', {})).toContain("this endpoint is not AWS's own (127.0.0.1)");
    expect(whyNotAsked('KMS', undefined, {})).toContain('none answered');
  });

  test.each(['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_CLOUDWATCH_LOGS'])('is asked where %s says where it is', (name) => {
    expect(whyNotAsked('CLOUDWATCH_LOGS', '127.0.0.1', { [name]: 'http://127.0.0.1:4566' })).toBeUndefined();
    expect(whyNotAsked('CLOUDWATCH_LOGS', '127.0.0.1', { [name]: '' })).toBeDefined();
    expect(whyNotAsked('LAMBDA', '127.0.0.1', { AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: 'http://127.0.0.1' })).toBeDefined();
  });
});
