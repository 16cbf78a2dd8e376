import {
  CloudTrailClient,
  LookupEventsCommand,
  DescribeTrailsCommand,
  GetTrailStatusCommand,
} from '@aws-sdk/client-cloudtrail';
import { CloudWatchClient, DescribeAlarmsCommand } from '@aws-sdk/client-cloudwatch';
import {
  CloudWatchLogsClient,
  DescribeLogGroupsCommand,
  FilterLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { IAMClient, SimulatePrincipalPolicyCommand, type EvaluationResult } from '@aws-sdk/client-iam';
import {
  DescribeKeyCommand,
  GetKeyRotationStatusCommand,
  KMSClient,
  ListKeyRotationsCommand,
} from '@aws-sdk/client-kms';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { PutResourcePolicyCommand, RotateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { mockClient } from 'aws-sdk-client-mock';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Ajv from 'ajv';
import type { Evidence } from '../../../src/cli/evidence/evidence.ts';
import { EVIDENCE_SCHEMA } from '../../../src/cli/evidence/schema.ts';
import { ACTIONS } from '../../../src/cli/evidence/sources/access.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { giveCredentials, pazpazKeys } from '../support/operator.ts';

/* The other services are mocks: the local service answers for Secrets Manager alone. */

const trail = mockClient(CloudTrailClient);
const cloudWatch = mockClient(CloudWatchClient);
const logs = mockClient(CloudWatchLogsClient);
const iam = mockClient(IAMClient);
const kms = mockClient(KMSClient);
const lambda = mockClient(LambdaClient);
const MOCKS = [trail, cloudWatch, logs, iam, kms, lambda];

const OPERATOR = 'arn:aws:iam::123456789012:role/Operator';
const FUNCTION_ROLE = 'arn:aws:iam::123456789012:role/KeyRotation';

let folder: string;
beforeAll(async () => {
  giveCredentials();
  folder = await mkdtemp(join(tmpdir(), 'sources-'));
});
beforeEach(() => {
  for (const mock of MOCKS) mock.reset();
});
afterEach(stopServices);
afterAll(async () => {
  for (const mock of MOCKS) mock.restore();
  await rm(folder, { recursive: true });
});

function refuseAll(name: string): void {
  const refusal = Object.assign(new Error('for no one to read'), { name });
  trail.onAnyCommand().rejects(refusal);
  cloudWatch.onAnyCommand().rejects(refusal);
  logs.onAnyCommand().rejects(refusal);
  iam.onAnyCommand().rejects(refusal);
  kms.onAnyCommand().rejects(refusal);
  lambda.onAnyCommand().rejects(refusal);
}

/** Each service answers as on an account with the stack. */
function answers(ring: TestRing): void {
  const at = (hours: number) => new Date(ring.service.clock.now() - hours * HOUR).toISOString();
  const call = (eventName: string, requestParameters: object, hours: number) =>
    JSON.stringify({
      eventName,
      eventTime: at(hours),
      eventSource: 'secretsmanager.amazonaws.com',
      userIdentity: { type: 'AssumedRole', arn: 'arn:aws:sts::123456789012:assumed-role/Operator/anna' },
      requestParameters: { secretId: SECRET, ...requestParameters },
    });
  const events: Readonly<Record<string, readonly string[]>> = {
    UpdateSecretVersionStage: [
      call(
        'UpdateSecretVersionStage',
        { versionStage: 'AWSCURRENT', moveToVersionId: ring.idOf(3), removeFromVersionId: ring.idOf(2) },
        3,
      ),
      call(
        'UpdateSecretVersionStage',
        { versionStage: 'AWSCURRENT', moveToVersionId: ring.idOf(2), removeFromVersionId: ring.idOf(3) },
        2,
      ),
      call(
        'UpdateSecretVersionStage',
        { versionStage: 'AWSCURRENT', moveToVersionId: ring.idOf(3), removeFromVersionId: ring.idOf(2) },
        1,
      ),
    ],
    PutResourcePolicy: [call('PutResourcePolicy', { secretId: 'another' }, 2), call('PutResourcePolicy', {}, 2)],
  };
  trail
    .on(LookupEventsCommand)
    .callsFake(({ LookupAttributes: [asked] }: { LookupAttributes: { AttributeValue: string }[] }) => ({
      Events: (events[asked?.AttributeValue ?? ''] ?? []).map((CloudTrailEvent) => ({ CloudTrailEvent })),
    }));
  trail
    .on(DescribeTrailsCommand)
    .resolves({ trailList: [{ TrailARN: 'arn:aws:cloudtrail:us-east-1:123456789012:trail/all' }] });
  trail.on(GetTrailStatusCommand).resolves({ IsLogging: true });
  lambda.on(GetFunctionConfigurationCommand).resolves({ Role: FUNCTION_ROLE, LoggingConfig: { LogGroup: 'the-log' } });
  const failed = { event: 'rotation_step_failed', versionId: ring.idOf(3), step: 'testSecret', code: 'KEY_NOT_PROVEN' };
  logs.on(FilterLogEventsCommand, { logGroupName: 'the-log' }).resolves({
    events: [{ message: JSON.stringify(failed), timestamp: ring.service.clock.now() - 4 * HOUR }, { message: 'START' }],
  });
  logs.on(DescribeLogGroupsCommand).resolves({ logGroups: [{ logGroupName: 'the-log', retentionInDays: 400 }] });
  cloudWatch.on(DescribeAlarmsCommand).resolves({
    MetricAlarms: [
      {
        AlarmName: 'PazPazRotationOverdue',
        StateValue: 'ALARM',
        ActionsEnabled: true,
        AlarmActions: ['arn:aws:sns:::topic'],
      },
    ],
  });
  iam.on(SimulatePrincipalPolicyCommand).resolves({
    EvaluationResults: ACTIONS.map((EvalActionName): EvaluationResult => ({ EvalActionName, EvalDecision: 'allowed' })),
  });
  kms
    .on(DescribeKeyCommand)
    .resolves({ KeyMetadata: { KeyId: 'one', Arn: 'arn:one', KeyState: 'Enabled', KeyManager: 'CUSTOMER' } });
  kms.on(GetKeyRotationStatusCommand).resolves({ KeyRotationEnabled: true, RotationPeriodInDays: 365 });
  kms
    .on(ListKeyRotationsCommand)
    .resolves({ Rotations: [{ RotationDate: new Date('2026-01-02'), RotationType: 'AUTOMATIC' }] });
}

async function oldRing(): Promise<TestRing> {
  const ring = await ringWith(1, previous(2), current(3));
  await ring.client.send(
    new RotateSecretCommand({
      SecretId: SECRET,
      RotationLambdaARN: 'arn:aws:lambda:us-east-1:123456789012:function:PazPazKeyRotation',
      RotationRules: { AutomaticallyAfterDays: 365 },
      RotateImmediately: false,
    }),
  );
  await ring.service.advance(25 * HOUR);
  return ring;
}

let reports = 0;
async function report(
  ring: TestRing,
  environment: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<Evidence> {
  const out = join(folder, String((reports += 1)));
  const { stderr } = await pazpazKeys(ring, ['evidence', '--no-rows', '--out', out, ...args], { environment });
  const text = await readFile(join(out, 'evidence.json'), 'utf8').catch(() => {
    throw new Error(stderr);
  });
  const evidence = JSON.parse(text) as Evidence;
  const ajv = new Ajv();
  void ajv.validate(EVIDENCE_SCHEMA, evidence);
  expect(ajv.errors).toBeNull();
  return evidence;
}

/** Endpoints of their own, so that services beside the local one are asked. */
const ASKED = { AWS_ENDPOINT_URL: 'http://127.0.0.1:1' };

test('CloudTrail says who made which key current, and when; the report then estimates nothing', async () => {
  const ring = await oldRing();
  answers(ring);
  const { history, keys, recordsFrom } = await report(ring, ASKED);
  const by = 'arn:aws:sts::123456789012:assumed-role/Operator/anna';
  expect(
    history.filter(({ source }) => source === 'cloudtrail').map(({ event, number, by: who }) => [event, number, who]),
  ).toEqual([
    ['made-current', 3, by],
    ['rolled-back', 2, by],
    ['secret-changed', undefined, by],
    ['made-current', 3, by],
  ]);
  expect(recordsFrom).toBeDefined();
  expect(keys.find(({ number }) => number === 3)?.current).toMatchObject([
    { isEstimated: false },
    { isEstimated: false },
  ]);
  expect(keys.find(({ number }) => number === 2)?.current).toMatchObject([{ isEstimated: false }]);
});

test("the function's log, the alarms and the settings are in the report", async () => {
  const ring = await oldRing();
  answers(ring);
  const { history, alarms, settings, verdict } = await report(ring, ASKED);
  expect(history).toContainEqual(
    expect.objectContaining({
      event: 'rotation-failed',
      source: 'function-log',
      detail: 'testSecret: KEY_NOT_PROVEN',
      number: 3,
    }),
  );
  expect(settings).toContainEqual(expect.objectContaining({ code: 'log-retention', found: '400 days', isMet: 'yes' }));
  expect(settings).toContainEqual(expect.objectContaining({ code: 'trail', isMet: 'yes' }));
  expect(alarms.filter(({ exists }) => exists)).toMatchObject([
    { name: 'PazPazRotationOverdue', state: 'ALARM', notifies: true },
  ]);
  expect(alarms.map(({ name }) => name)).toContain('PazPazRotationOff');
  expect(verdict.overdue.map(({ code }) => code)).toContain('alarm');
});

test('who may read and change is what IAM says, less what the policy of the secret denies', async () => {
  const ring = await oldRing();
  answers(ring);
  const only = {
    Effect: 'Deny',
    Principal: '*',
    Action: ['secretsmanager:PutSecretValue', 'secretsmanager:UpdateSecretVersionStage'],
    Resource: '*',
    Condition: { ArnNotEquals: { 'aws:PrincipalArn': [OPERATOR] }, Bool: { 'aws:PrincipalIsAWSService': 'false' } },
  };
  const ResourcePolicy = JSON.stringify({ Version: '2012-10-17', Statement: [only] });
  await ring.client.send(new PutResourcePolicyCommand({ SecretId: SECRET, ResourcePolicy }));
  const other = 'arn:aws:iam::123456789012:role/Other';
  const { access, settings } = await report(ring, ASKED, '--principal', other);
  expect(access.principals.map(({ arn }) => arn).sort()).toEqual([FUNCTION_ROLE, OPERATOR, other].sort());
  const may = (arn: string) => access.principals.find((principal) => principal.arn === arn)?.may;
  expect(may(OPERATOR)).toEqual([...ACTIONS]);
  expect(may(other)).not.toContain('secretsmanager:PutSecretValue');
  expect(may(other)).toContain('secretsmanager:GetSecretValue');
  expect(settings).toContainEqual(expect.objectContaining({ code: 'operator-role', isMet: 'yes' }));
});

test('each call that is denied is listed, and the rest of the report is written', async () => {
  const ring = await oldRing();
  refuseAll('AccessDeniedException');
  const { unseen, verdict, keys } = await report(ring, ASKED);
  expect(unseen.map(({ needs }) => needs)).toEqual(
    expect.arrayContaining([
      'cloudtrail:LookupEvents',
      'cloudtrail:DescribeTrails, cloudtrail:GetTrailStatus',
      'lambda:GetFunctionConfiguration',
      'logs:FilterLogEvents',
      'logs:DescribeLogGroups',
    ]),
  );
  expect(unseen.filter(({ why }) => why === 'AccessDeniedException').length).toBeGreaterThanOrEqual(5);
  expect(JSON.stringify(unseen)).not.toContain('for no one to read');
  expect(verdict.notices.map(({ code }) => code)).toContain('not-seen');
  expect(keys).toHaveLength(3);
});

test('beside a local service no other service is called, and the report says so', async () => {
  const ring = await oldRing();
  refuseAll('NobodyMayCall');
  const { unseen } = await report(ring, { AWS_ENDPOINT_URL: '' });
  expect(JSON.stringify(unseen)).not.toContain('NobodyMayCall');
  expect(unseen.filter(({ why }) => why.includes("this endpoint is not AWS's own")).length).toBeGreaterThanOrEqual(4);
});
