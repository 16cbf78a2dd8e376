import {
  CreateSecretCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  TagResourceCommand,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import type { StartOptions } from '../../../src/local/start.ts';
import { startService, stopServices } from '../support/running-service.ts';
import { LAMBDA_ARN, SimpleLambda } from '../support/simple-lambda.ts';

afterEach(stopServices);

const RULES = { AutomaticallyAfterDays: 365 };

async function rotated(options: StartOptions = {}, lambda = new SimpleLambda()) {
  const local = await startService({ lambda: lambda.invoke, ...options });
  lambda.worksOn(local.service);
  const { ARN: arn = '' } = await local.client.send(new CreateSecretCommand({ Name: 'key', SecretString: 'first' }));
  await local.client.send(
    new RotateSecretCommand({ SecretId: 'key', RotationLambdaARN: LAMBDA_ARN, RotationRules: RULES }),
  );
  await local.service.idle();
  const rotationEvents = lambda.events.length;
  return { ...local, arn, notices: () => lambda.events.slice(rotationEvents) };
}

describe('a change by hand', () => {
  test('is told to the Lambda in the shape of a recorded event, without the value', async () => {
    const { client, service, arn, notices } = await rotated();
    const { VersionId } = await client.send(
      new PutSecretValueCommand({ SecretId: 'key', SecretString: 'VALUE-CANARY', RotationToken: 'a'.repeat(36) }),
    );
    await service.idle();
    expect(notices()).toMatchObject([
      {
        source: 'aws.secretsmanager',
        'detail-type': 'AWS API Call via CloudTrail',
        account: '123456789012',
        detail: {
          eventSource: 'secretsmanager.amazonaws.com',
          eventName: 'PutSecretValue',
          userIdentity: { type: 'IAMUser' },
          requestParameters: { secretId: 'key', clientRequestToken: VersionId },
          responseElements: { arn },
        },
      },
    ]);
    expect(JSON.stringify(notices())).not.toMatch(/CANARY|aaaa/);
  });

  test('is one by any of three operations', async () => {
    const { client, service, arn, notices } = await rotated();
    await client.send(new UpdateSecretCommand({ SecretId: 'key', Description: 'x' }));
    const versions = Object.entries(service.state.secrets[arn]?.versions ?? {});
    const current = versions.find(([, { stages }]) => stages.includes('AWSCURRENT'))?.[0];
    await client.send(
      new UpdateSecretVersionStageCommand({ SecretId: arn, VersionStage: 'mine', MoveToVersionId: current }),
    );
    await client.send(new TagResourceCommand({ SecretId: 'key', Tags: [{ Key: 'a', Value: 'b' }] }));
    await service.idle();
    expect(notices()).toMatchObject([
      { detail: { eventName: 'UpdateSecret', requestParameters: { description: 'x' } } },
      {
        detail: {
          eventName: 'UpdateSecretVersionStage',
          requestParameters: { secretId: arn, versionStage: 'mine', moveToVersionId: current },
        },
      },
    ]);
  });

  test('is not one that the Lambda made, nor one that was refused', async () => {
    const { client, service, notices } = await rotated();
    await client.send(new RotateSecretCommand({ SecretId: 'key' }));
    await service.idle();
    await expect(
      client.send(new UpdateSecretVersionStageCommand({ SecretId: 'key', VersionStage: 'AWSCURRENT' })),
    ).rejects.toThrow();
    await service.idle();
    expect(notices().filter((event) => event['source'] !== undefined)).toEqual([]);
  });

  test('is told to no one if the service is asked not to, or the secret has no Lambda', async () => {
    const { client, service, notices } = await rotated({ notices: false });
    await client.send(new PutSecretValueCommand({ SecretId: 'key', SecretString: 'x' }));
    await client.send(new CreateSecretCommand({ Name: 'other', SecretString: 'x' }));
    await client.send(new PutSecretValueCommand({ SecretId: 'other', SecretString: 'y' }));
    await service.idle();
    expect(notices()).toEqual([]);
  });

  test('is told three times to a Lambda that fails', async () => {
    const lambda = new SimpleLambda((step) => {
      if (step === 'event') throw new Error('no');
    });
    const { client, service, notices } = await rotated({}, lambda);
    await client.send(new PutSecretValueCommand({ SecretId: 'key', SecretString: 'x' }));
    await service.idle();
    expect(notices()).toHaveLength(3);
  });

  test('of an access key that the service was given is the Lambda’s own', async () => {
    const { client, service, notices } = await rotated({ lambdaAccessKeyIds: ['test'] });
    await client.send(new PutSecretValueCommand({ SecretId: 'key', SecretString: 'x' }));
    await service.idle();
    expect(notices()).toEqual([]);
  });
});

test('the daily tick is the event of a schedule rule', async () => {
  const { service, notices } = await rotated();
  await service.tick();
  expect(notices()).toMatchObject([{ source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} }]);
});
