import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { emptyFolder } from '../bundle/support/built-lambda.ts';
import { builtPrograms } from '../support/built.ts';
import { SECRET_ARN } from './support/cloudtrail-events.ts';
import { EVERYTHING_NEW, TAKE_OVER } from './support/deployments.ts';
import { at } from './support/json.ts';
import { deploy } from './support/stack.ts';
import { TEMPLATE } from './support/template-file.ts';

const run = promisify(execFile);

test('is the built handler on Node 24, with its name from the guide, its own log group and tracing', () => {
  expect(deploy().property('KeyRotationFunction')).toMatchObject({
    FunctionName: 'PazPazKeyRotation',
    Handler: 'handler.handler',
    Runtime: 'nodejs24.x',
    Timeout: 120,
    MemorySize: 512,
    Tracing: 'Active',
    LoggingConfig: { LogGroup: 'pazpaz-KeyRotationLogGroup', LogFormat: 'Text' },
  });
});

test('C39: declares every variable that sam local can set: --env-vars overrides declared ones only', () => {
  for (const parameters of [{}, TAKE_OVER]) {
    expect(deploy(parameters).property('KeyRotationFunction', 'Environment', 'Variables')).toEqual({
      SECRET_ARN,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: '',
      POWERTOOLS_LOG_LEVEL: 'INFO',
      POWERTOOLS_SERVICE_NAME: 'pazpaz-key-rotation',
    });
  }
});

test('waits for its role’s policy: Lambda refuses tracing or a VPC to a role that may not use them', () => {
  expect(deploy().resource('KeyRotationFunction').madeAfter).toContain('KeyRotationRolePolicy');
});

test('reserves no concurrency, which new accounts cannot', () => {
  expect(deploy(EVERYTHING_NEW).property('KeyRotationFunction', 'ReservedConcurrentExecutions')).toBeUndefined();
});

test('is in a VPC only where subnets are given', () => {
  expect(deploy().property('KeyRotationFunction', 'VpcConfig')).toBeUndefined();
  expect(deploy(EVERYTHING_NEW).property('KeyRotationFunction', 'VpcConfig')).toEqual({
    SubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
    SecurityGroupIds: ['sg-0123456789abcdef0'],
  });
});

test('keeps its log for a year and more, encrypted with the monitoring key', () => {
  const { property } = deploy();
  expect(property('KeyRotationLogGroup')).toEqual({
    RetentionInDays: '400',
    KmsKeyId: property('AlertTopic', 'KmsMasterKeyId'),
  });
});

test('puts the events of failed adoptions into a queue; a rotation is invoked synchronously and needs none', () => {
  expect(deploy().property('AdoptionFailureDestination')).toEqual({
    FunctionName: 'PazPazKeyRotation',
    Qualifier: '$LATEST',
    MaximumRetryAttempts: 2,
    MaximumEventAgeInSeconds: 3600,
    DestinationConfig: { OnFailure: { Destination: 'arn:aws:sqs:us-east-1:123456789012:AdoptionFailureQueue' } },
  });
});

test('what sam build makes is, byte for byte, what npm run build makes', async () => {
  expect(at(TEMPLATE, 'Resources', 'KeyRotationFunction', 'Metadata', 'BuildMethod')).toBe('makefile');
  expect(deploy().property('KeyRotationFunction', 'CodeUri')).toBe('.');
  const folder = await emptyFolder();
  try {
    const artifacts = join(folder.path, 'artifacts');
    await mkdir(artifacts);
    // What SAM's makefile workflow runs.
    await run('make', ['build-KeyRotationFunction', `ARTIFACTS_DIR=${artifacts}`]);
    const built = join(await builtPrograms(), 'lambda');
    expect(await readdir(artifacts)).toEqual(await readdir(built));
    for (const file of await readdir(built)) {
      expect((await readFile(join(artifacts, file))).equals(await readFile(join(built, file)))).toBe(true);
    }
  } finally {
    await folder.remove();
  }
});
