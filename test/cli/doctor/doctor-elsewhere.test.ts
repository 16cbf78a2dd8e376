import { DescribeKeyCommand, KMSClient, KMSServiceException, type KeyState } from '@aws-sdk/client-kms';
import { GetFunctionConfigurationCommand, LambdaClient, LambdaServiceException } from '@aws-sdk/client-lambda';
import {
  CreateSecretCommand,
  PutSecretValueCommand,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { mockClient } from 'aws-sdk-client-mock';
import type { CheckReport } from '../../../src/cli/doctor/doctor.ts';
import { startService, stopServices } from '../../local/support/running-service.ts';
import { LAMBDA_ARN } from '../../local/support/simple-lambda.ts';
import { token } from '../../local/support/state-machine.ts';
import { keyOf, SECRET, type TestRing } from '../../support/ring.ts';
import { checkOf, found, healthyRing } from '../support/examined.ts';
import { openFrontDoor, type FrontDoor } from '../support/regional-proxy.ts';
import { endpointOf, giveCredentials, operatorOf, pazpazKeys, type Surroundings } from '../support/operator.ts';

/* The command as it is, over HTTP to Secrets Manager; what it asks of KMS and Lambda ends at the SDK. */

const kms = mockClient(KMSClient);
const lambda = mockClient(LambdaClient);
const doors: FrontDoor[] = [];

beforeAll(giveCredentials);
beforeEach(() => {
  kms.reset().onAnyCommand().callsFake(unexpected);
  lambda.reset().onAnyCommand().callsFake(unexpected);
  lambda.on(GetFunctionConfigurationCommand, { FunctionName: LAMBDA_ARN }, true).resolves({ FunctionName: 'rotate' });
});
afterEach(async () => {
  await Promise.all(doors.splice(0).map((door) => door.close()));
  await stopServices();
});
afterAll(() => {
  kms.restore();
  lambda.restore();
});

function unexpected(input: unknown): never {
  throw new Error(`no one expects ${JSON.stringify(input)}`);
}

const refusal = (name: string) => ({ name, message: 'not for you', $fault: 'client', $metadata: {} }) as const;

/** What `doctor --json` says: its checks that are not fine, all its text, and its exit code. */
async function doctor(ring: TestRing, around: Surroundings = {}) {
  const environment = { AWS_ENDPOINT_URL_LAMBDA: 'http://lambda.test', AWS_ENDPOINT_URL_KMS: 'http://kms.test' };
  const { exitCode, stdout } = await pazpazKeys(ring, ['doctor', '--json'], { environment, ...around });
  const { result } = JSON.parse(stdout) as { readonly result: { readonly checks: readonly CheckReport[] } };
  const open = result.checks.filter(({ outcome }) => outcome !== 'fine');
  const { checks } = result;
  return { exitCode, checks, open: open.map(({ code, outcome }) => `${code}: ${outcome}`), text: JSON.stringify(open) };
}

test('doctor is silent where every service says that all is well', async () => {
  expect(await doctor(await healthyRing())).toMatchObject({ exitCode: 0, open: [] });
});

describe('a schedule without a function', () => {
  test('is found where the secret names none', async () => {
    const ring = await healthyRing();
    const { deps } = operatorOf(ring);
    const { codes, text } = await found(ring, {
      secrets: {
        describeSecret: async (input) => ({
          ...(await deps.secrets.describeSecret(input)),
          RotationLambdaARN: undefined,
        }),
      },
    });
    expect(codes).toEqual(['schedule-without-function']);
    expect(text).toContain('sam deploy');
  });

  test('is found where Lambda has no such function', async () => {
    const ring = await healthyRing();
    lambda
      .on(GetFunctionConfigurationCommand)
      .rejects(new LambdaServiceException(refusal('ResourceNotFoundException')));
    const { exitCode, open, text } = await doctor(ring);
    expect({ exitCode, open }).toEqual({ exitCode: 1, open: ['schedule-without-function: found'] });
    expect(text).toContain(`The secret names ${LAMBDA_ARN}, which does not exist`);
    expect(text).toContain(`aws secretsmanager rotate-secret --secret-id ${SECRET}`);
  });

  test('is not checked where the caller may not ask Lambda, and that alone is nothing wrong', async () => {
    const ring = await healthyRing();
    lambda.on(GetFunctionConfigurationCommand).rejects(new LambdaServiceException(refusal('AccessDeniedException')));
    const { exitCode, open, text } = await doctor(ring);
    expect({ exitCode, open }).toEqual({ exitCode: 0, open: ['schedule-without-function: not checked'] });
    expect(text).toContain('lambda:GetFunctionConfiguration: AccessDeniedException');
  });

  test('is not checked where Secrets Manager is not that of AWS: AWS hears nothing of it', async () => {
    const { exitCode, open, text } = await doctor(await healthyRing(), { environment: {} });
    expect({ exitCode, open }).toEqual({ exitCode: 0, open: ['schedule-without-function: not checked'] });
    expect(text).toContain("this endpoint is not AWS's own (127.0.0.1)");
    expect(lambda.calls()).toEqual([]);
  });
});

describe('a KMS key of a version', () => {
  const OLD = 'arn:aws:kms:us-east-1:123456789012:key/old';
  const NEW = 'arn:aws:kms:us-east-1:123456789012:key/new';

  /** A secret that was moved from one KMS key to another: AWS left key 2, which no label of its own kept, behind. */
  async function movedRing(): Promise<TestRing> {
    const ring = await healthyRing();
    await ring.client.send(new UpdateSecretCommand({ SecretId: SECRET, KmsKeyId: OLD }));
    await ring.rotate();
    await ring.client.send(new UpdateSecretCommand({ SecretId: SECRET, KmsKeyId: NEW }));
    await ring.service.idle();
    return ring;
  }

  const keysAre = (states: Readonly<Record<string, KeyState>>) => {
    for (const [KeyId, KeyState] of Object.entries(states)) {
      kms.on(DescribeKeyCommand, { KeyId }, true).resolves({ KeyMetadata: { KeyId, KeyState } });
    }
  };

  test.each([
    ['Disabled', 'enable-key'],
    ['PendingDeletion', 'cancel-key-deletion'],
  ] as const)('that is %s is found, with the keys that need it', async (state, next) => {
    const ring = await movedRing();
    keysAre({ [OLD]: state, [NEW]: 'Enabled' });
    const { exitCode, open, text } = await doctor(ring);
    expect({ exitCode, open }).toEqual({ exitCode: 1, open: ['kms-key-disabled: found'] });
    expect(text).toContain(`KMS key ${OLD} is ${state}, and key 2 cannot be read without it`);
    expect(text).toContain(`aws kms ${next} --key-id ${OLD}`);
  });

  test('is fine while all are enabled', async () => {
    const ring = await movedRing();
    keysAre({ [OLD]: 'Enabled', [NEW]: 'Enabled' });
    const { exitCode, open, checks } = await doctor(ring);
    expect({ exitCode, open }).toEqual({ exitCode: 0, open: [] });
    const { how } = checkOf(checks, 'kms-key-disabled');
    expect(how).toContain(
      `Keys 1, 2 can be read only with KMS key DefaultEncryptionKey, ${OLD}, which must stay enabled`,
    );
  });

  test('is not checked where the caller may not ask KMS, and that alone is nothing wrong', async () => {
    const ring = await movedRing();
    keysAre({ [NEW]: 'Enabled' });
    const denied = new KMSServiceException(refusal('AccessDeniedException'));
    kms.on(DescribeKeyCommand, { KeyId: OLD }, true).rejects(denied);
    const { exitCode, open, text } = await doctor(ring);
    expect({ exitCode, open }).toEqual({ exitCode: 0, open: ['kms-key-disabled: not checked'] });
    expect(text).toContain(`kms:DescribeKey: AccessDeniedException for ${OLD}`);
  });

  test('is found beside one that cannot be asked for', async () => {
    const ring = await movedRing();
    keysAre({ [OLD]: 'Disabled' });
    kms.on(DescribeKeyCommand, { KeyId: NEW }, true).rejects(new KMSServiceException(refusal('AccessDeniedException')));
    expect(await doctor(ring)).toMatchObject({ exitCode: 1, open: ['kms-key-disabled: found'] });
  });
});

describe('a replica', () => {
  /** A second Secrets Manager, in another region, with these numbers of the secret. */
  async function replicaWith(numbers: readonly number[]): Promise<string> {
    const { client, url } = await startService({ region: 'eu-west-1' });
    await client.send(new CreateSecretCommand({ Name: SECRET }));
    for (const number of numbers) {
      const id = token(number);
      const value = { SecretId: SECRET, ClientRequestToken: id, SecretString: keyOf(number).toString('base64') };
      await client.send(new PutSecretValueCommand(value));
      const label = { SecretId: SECRET, VersionStage: `key-v${number}`, MoveToVersionId: id };
      await client.send(new UpdateSecretVersionStageCommand(label));
    }
    return url;
  }

  async function doctorWith(replica?: string) {
    const ring = await healthyRing();
    const itself = await endpointOf(ring);
    const door = await openFrontDoor({ 'us-east-1': itself, 'eu-west-1': replica ?? itself });
    doors.push(door);
    const environment = { AWS_ENDPOINT_URL_LAMBDA: 'http://lambda.test' };
    return doctor(ring, { environment, endpoint: door.url });
  }

  test('that lacks a number is found', async () => {
    const { exitCode, open, text } = await doctorWith(await replicaWith([2, 3]));
    expect({ exitCode, open }).toEqual({ exitCode: 1, open: ['replica-behind: found'] });
    expect(text).toContain('The replica in eu-west-1 lacks key 1');
    expect(text).toContain(`--secret-id ${SECRET} --region eu-west-1`);
  });

  test('that has every number is fine', async () => {
    expect(await doctorWith(await replicaWith([1, 2, 3]))).toMatchObject({ exitCode: 0, open: [] });
  });

  test('that is gone is found', async () => {
    const { exitCode, text } = await doctorWith((await startService({ region: 'eu-west-1' })).url);
    expect(exitCode).toBe(1);
    expect(text).toContain('The replica in eu-west-1 lacks key 1, 2, 3');
  });

  test('that the caller may not describe is not checked, and that alone is nothing wrong', async () => {
    const denying = await startService({ region: 'eu-west-1' });
    denying.service.faults.set({ kind: 'error', type: 'AccessDeniedException', message: 'not for you' });
    const { exitCode, open, text } = await doctorWith(denying.url);
    expect({ exitCode, open }).toEqual({ exitCode: 0, open: ['replica-behind: not checked'] });
    expect(text).toContain('eu-west-1: Secrets Manager did not accept DescribeSecret');
  });

  test('is not taken for checked where the endpoint shows the secret itself in its place', async () => {
    const { open, text } = await doctorWith();
    expect(open).toEqual(['replica-behind: not checked']);
    expect(text).toContain('the endpoint in use answers for us-east-1');
  });
});
