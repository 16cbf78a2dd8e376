import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { rotationFunctionOf } from '../aws/rotation-function.ts';
import { stepLog } from '../aws/step-log.ts';
import type { FollowOptions } from './follow.ts';
import { describedRing } from './ring.ts';
import type { CommonOptions, AwsSession } from '../aws/session.ts';
import { limited } from '../aws/call-limits.ts';
import { clientSettings } from '../aws/client-settings.ts';

/** Milliseconds: our clock counts as correct within a minute of AWS's. */
const CLOCK_RESERVE = 120_000;

/** `undefined` if it cannot be read (`onUnreadable` gets the reason). A function may log elsewhere. */
export async function rotationLog(
  session: AwsSession,
  options: CommonOptions,
  versionId: string,
  onUnreadable: (why: string) => void,
): Promise<FollowOptions['readLog']> {
  const found = await logGroupOf(session, options);
  if ('unknown' in found) {
    onUnreadable(found.unknown);
    return undefined;
  }
  const { logGroup, region } = found;
  const client = limited(new CloudWatchLogsClient(clientSettings(options, region)));
  return stepLog(client, { logGroup, versionId, since: session.deps.now().getTime() - CLOCK_RESERVE, onUnreadable });
}

async function logGroupOf(
  { deps, whyNotAsked }: AwsSession,
  options: CommonOptions,
): Promise<{ readonly logGroup: string; readonly region: string } | { readonly unknown: string }> {
  const { RotationLambdaARN: functionArn } = (await describedRing(deps)).secret;
  if (functionArn === undefined) return { unknown: 'the secret names no function' };
  const why = whyNotAsked('LAMBDA') ?? whyNotAsked('CLOUDWATCH_LOGS');
  if (why !== undefined) return { unknown: why };
  const found = await rotationFunctionOf(functionArn, options);
  if ('unknown' in found) return found;
  if (!found.exists) return { unknown: `there is no function ${functionArn}` };
  return { logGroup: found.logGroup, region: functionArn.split(':')[3] ?? '' };
}
