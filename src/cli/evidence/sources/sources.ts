import {
  CloudTrailClient,
  DescribeTrailsCommand,
  GetTrailStatusCommand,
  LookupEventsCommand,
} from '@aws-sdk/client-cloudtrail';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient, DescribeLogGroupsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { IAMClient, SimulatePrincipalPolicyCommand } from '@aws-sdk/client-iam';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { GetResourcePolicyCommand } from '@aws-sdk/client-secrets-manager';
import { limited } from '../../aws/call-limits.ts';
import { clientSettings } from '../../aws/client-settings.ts';
import { kmsClient } from '../../aws/kms-client.ts';
import type { AwsSession, CommonOptions } from '../../aws/session.ts';
import { MANAGED_KEY } from '../../ring/kms-keys.ts';
import type { RingReport, VersionReport } from '../../status/ring-report.ts';
import type { AccessFacts, AlarmFacts, HistoryEntry, KmsKeyFacts } from '../evidence.ts';
import type { UnseenList } from '../unseen.ts';
import { accessFacts } from './access.ts';
import { prefixOf, readAlarms } from './alarms.ts';
import { readTrail } from './cloudtrail.ts';
import { readFunctionLog } from './function-log.ts';
import { kmsKeyFacts } from './kms-keys.ts';

export interface SourceOptions extends CommonOptions {
  /** ARNs. */
  readonly principal?: readonly string[];
}

/** What services do not say is listed as not seen. */
export interface SourceFacts {
  readonly history: readonly HistoryEntry[];
  /** From this moment on, the history has each change of the key that encrypts. */
  readonly recordsFrom: string | undefined;
  readonly kmsKeys: readonly KmsKeyFacts[];
  readonly alarms: readonly AlarmFacts[];
  readonly areAlarmsSeen: boolean;
  readonly access: AccessFacts;
  readonly isPolicySeen: boolean;
  readonly logRetentionDays: number | 'never expires' | undefined;
  readonly isTrailLogging: boolean | undefined;
}

export async function readSources(
  session: AwsSession,
  options: SourceOptions,
  report: RingReport,
  unseen: UnseenList,
): Promise<SourceFacts> {
  const { client } = session;
  const region = report.arn.split(':')[3] ?? session.region;
  const kmsKeyIds = kmsKeysOf(report);
  const kms = kmsClient(options, region);
  const kmsKeys: KmsKeyFacts[] = [];
  const isUnknown = ({ state, kmsKeyIds: ids }: VersionReport): boolean =>
    ids.length === 0 && state !== 'placeholder' && state !== 'abandoned';
  if (report.versions.some(isUnknown))
    unseen.add('the KMS key of each version', 'secretsmanager:ListSecretVersionIds', 'its answer names none');
  for (const keyId of kmsKeyIds) {
    const found = await kmsKeyFacts(kms, keyId, unseen);
    // The secret may name a key by its alias, and its versions by the ARN.
    if (!kmsKeys.some((known) => known.keyId === found.keyId)) kmsKeys.push(found);
  }
  kms.destroy();
  const { trail, isTrailLogging } = await trailOf(session, options, report, kmsKeyIds, unseen);
  const log = await functionOf(options, report, unseen);
  const prefix = prefixOf(report.rotation.functionArn);
  const cloudWatch = limited(new CloudWatchClient(clientSettings(options, region)));
  const [what, needs] = ['the alarms and their state', 'cloudwatch:DescribeAlarms'];
  if (prefix === undefined)
    unseen.add(what, needs, 'the secret names no function of the stack, so their names are unknown');
  const alarms =
    prefix === undefined
      ? undefined
      : await unseen.ask('CLOUDWATCH', what, needs, () => readAlarms(cloudWatch, prefix));
  cloudWatch.destroy();
  const answer = await unseen.see('the policy of the secret', 'secretsmanager:GetResourcePolicy', () =>
    client.send(new GetResourcePolicyCommand({ SecretId: report.arn })),
  );
  const policy = answer?.ResourcePolicy;
  const iam = limited(new IAMClient(clientSettings(options, region)));
  const principals = await accessFacts(
    {
      secretArn: report.arn,
      policy,
      isPolicySeen: answer !== undefined,
      principals: [...(options.principal ?? []), ...(log.roleArn === undefined ? [] : [log.roleArn])],
      simulate: (input) => iam.send(new SimulatePrincipalPolicyCommand(input)),
    },
    unseen,
  );
  iam.destroy();
  return {
    history: [
      ...trail.entries,
      ...log.entries,
      ...kmsKeys.flatMap(({ keyId, rotations }) =>
        rotations.map(({ at, type }): HistoryEntry => ({
          at,
          event: 'kms-key-rotated',
          source: 'kms',
          detail: `${keyId} ${type}`.trim(),
        })),
      ),
    ],
    recordsFrom: trail.since,
    kmsKeys,
    alarms: alarms ?? [],
    areAlarmsSeen: alarms !== undefined,
    access: { ...(policy === undefined ? {} : { policy }), principals },
    isPolicySeen: answer !== undefined,
    logRetentionDays: log.retention,
    isTrailLogging,
  };
}

/** Those of the versions and of the secret, but for AWS's own, which no one can change. */
function kmsKeysOf({ versions, kmsKeyId }: RingReport): readonly string[] {
  const all = [...versions.flatMap((version) => version.kmsKeyIds), ...(kmsKeyId === undefined ? [] : [kmsKeyId])];
  return [...new Set(all)].filter((id) => id !== MANAGED_KEY && !id.includes('alias/aws/'));
}

async function trailOf(
  { deps }: AwsSession,
  options: SourceOptions,
  { name, arn, versions }: RingReport,
  kmsKeyIds: readonly string[],
  unseen: UnseenList,
): Promise<{
  readonly trail: { readonly entries: readonly HistoryEntry[]; readonly since?: string };
  readonly isTrailLogging: boolean | undefined;
}> {
  const client = limited(new CloudTrailClient(clientSettings(options, arn.split(':')[3])));
  const numberOf = new Map(
    versions.flatMap(({ versionId, number }) => (number === undefined ? [] : [[versionId, number] as const])),
  );
  const needs = 'cloudtrail:LookupEvents';
  const trail = await unseen.ask('CLOUDTRAIL', 'who changed the secret in the last 90 days', needs, () =>
    readTrail({
      lookUp: (input) => client.send(new LookupEventsCommand(input)),
      about: { name, arn, kmsKeyIds, numberOf },
      now: deps.now(),
      sleep: deps.sleep,
    }),
  );
  if (trail !== undefined) {
    for (const event of trail.cutOff)
      unseen.add(`older events ${event}`, needs, 'there are too many of them in the account');
  }
  const isTrailLogging = await unseen.ask(
    'CLOUDTRAIL',
    'whether a trail is logging',
    'cloudtrail:DescribeTrails, cloudtrail:GetTrailStatus',
    async () => {
      const { trailList = [] } = await client.send(new DescribeTrailsCommand({}));
      for (const { TrailARN } of trailList) {
        const { IsLogging, LatestDeliveryError = '' } = await client.send(
          new GetTrailStatusCommand({ Name: TrailARN }),
        );
        // The trail may be on and keep nothing, for example because its bucket was deleted.
        if (IsLogging === true && LatestDeliveryError === '') return true;
      }
      return false;
    },
  );
  client.destroy();
  return { trail: trail ?? { entries: [] }, isTrailLogging };
}

interface FunctionReading {
  readonly entries: readonly HistoryEntry[];
  readonly roleArn?: string;
  readonly retention: SourceFacts['logRetentionDays'];
}

async function functionOf(
  options: SourceOptions,
  { rotation: { functionArn } }: RingReport,
  unseen: UnseenList,
): Promise<FunctionReading> {
  const none: FunctionReading = { entries: [], retention: undefined };
  if (functionArn === undefined) {
    unseen.add("the rotation function's log", 'logs:FilterLogEvents', 'the secret names no function');
    return none;
  }
  const settings = clientSettings(options, functionArn.split(':')[3]);
  const lambda = limited(new LambdaClient(settings));
  const found = await unseen.ask('LAMBDA', 'the rotation function', 'lambda:GetFunctionConfiguration', () =>
    lambda.send(new GetFunctionConfigurationCommand({ FunctionName: functionArn })),
  );
  lambda.destroy();
  const logGroup = found?.LoggingConfig?.LogGroup ?? `/aws/lambda/${functionArn.split(':')[6] ?? ''}`;
  const logs = limited(new CloudWatchLogsClient(settings));
  const read = await unseen.ask('CLOUDWATCH_LOGS', "the rotation function's log", 'logs:FilterLogEvents', () =>
    readFunctionLog(logs, logGroup),
  );
  if (read?.isCutOff === true)
    unseen.add("later lines of the rotation function's log", 'logs:FilterLogEvents', 'it is too long');
  const groups = await unseen.ask('CLOUDWATCH_LOGS', 'how long that log is kept', 'logs:DescribeLogGroups', () =>
    logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: logGroup })),
  );
  logs.destroy();
  const group = groups?.logGroups?.find(({ logGroupName }) => logGroupName === logGroup);
  if (groups !== undefined && group === undefined)
    unseen.add('how long that log is kept', 'logs:DescribeLogGroups', `there is no log group ${logGroup}`);
  return {
    entries: read?.entries ?? [],
    ...(found?.Role === undefined ? {} : { roleArn: found.Role }),
    retention: group === undefined ? undefined : (group.retentionInDays ?? 'never expires'),
  };
}
