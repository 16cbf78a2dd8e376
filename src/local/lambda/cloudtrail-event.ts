import type { Caller } from '../caller.ts';
import type { JsonObject } from '../json.ts';

/** The stack's EventBridge rule names these three as well. */
export const NOTICED_OPERATIONS: ReadonlySet<string> = new Set([
  'PutSecretValue',
  'UpdateSecret',
  'UpdateSecretVersionStage',
]);

/** CloudTrail records only members that the service model does not mark as sensitive. */
const RECORDED_MEMBERS = [
  'SecretId',
  'ClientRequestToken',
  'VersionStages',
  'VersionStage',
  'MoveToVersionId',
  'RemoveFromVersionId',
  'Description',
  'KmsKeyId',
] as const;

export interface NoticedChange {
  readonly operation: string;
  readonly input: JsonObject;
  readonly arn: string;
  readonly caller: Caller;
  readonly requestId: string;
  readonly eventId: string;
  readonly now: number;
  readonly region: string;
  readonly accountId: string;
}

/**
 * The event of EventBridge for a change that CloudTrail recorded, as published with External Secrets' reloader for
 * `PutSecretValue`: `requestParameters` `{secretId, clientRequestToken}`, `responseElements` `{arn}`. Of the other two
 * operations no record is published; they follow the same pattern.
 */
export function changeNotice(change: NoticedChange): JsonObject {
  const { accountId, region, now, caller } = change;
  const time = new Date(now).toISOString().replace(/\.\d{3}Z$/, 'Z');
  return {
    version: '0',
    id: change.eventId,
    'detail-type': 'AWS API Call via CloudTrail',
    source: 'aws.secretsmanager',
    account: accountId,
    time,
    region,
    resources: [],
    detail: {
      eventVersion: '1.09',
      userIdentity: {
        type: 'IAMUser',
        principalId: caller.accessKeyId,
        arn: `arn:aws:iam::${accountId}:user/local`,
        accountId,
        accessKeyId: caller.accessKeyId,
        userName: 'local',
      },
      eventTime: time,
      eventSource: 'secretsmanager.amazonaws.com',
      eventName: change.operation,
      awsRegion: region,
      sourceIPAddress: '127.0.0.1',
      userAgent: 'local',
      requestParameters: recordedParameters(change.input),
      responseElements: { arn: change.arn },
      requestID: change.requestId,
      eventID: change.eventId,
      readOnly: false,
      eventType: 'AwsApiCall',
      managementEvent: true,
      recipientAccountId: accountId,
      eventCategory: 'Management',
    },
  };
}

function recordedParameters(input: JsonObject): JsonObject {
  const recorded = RECORDED_MEMBERS.filter((name) => input[name] !== undefined);
  return Object.fromEntries(recorded.map((name) => [camelCase(name), input[name]]));
}

function camelCase(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

/** The daily tick, as an EventBridge schedule rule sends it ("Scheduled Event"). */
export function scheduledEvent(options: {
  readonly id: string;
  readonly now: number;
  readonly region: string;
  readonly accountId: string;
}): JsonObject {
  return {
    version: '0',
    id: options.id,
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: options.accountId,
    time: new Date(options.now).toISOString().replace(/\.\d{3}Z$/, 'Z'),
    region: options.region,
    resources: [`arn:aws:events:${options.region}:${options.accountId}:rule/daily-adoption`],
    detail: {},
  };
}
