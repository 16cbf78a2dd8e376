import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch';
import { awsErrorName } from '../../secret/aws-error.ts';
import { limited } from './call-limits.ts';
import { clientSettings } from './client-settings.ts';

/** As far as the stack counts them; or why they are not known. */
export type EncryptionCount = { readonly encryptions: number; readonly since: string } | Uncounted;

interface Uncounted {
  readonly unknown: string;
  /** CloudWatch was asked. */
  readonly isAsked?: true;
}

/** The stack adds this to its name prefix. */
const FUNCTION_SUFFIX = 'KeyRotation';

const DAY = 86_400;

/** CloudWatch keeps values of a day or longer for 455 days. */
const KEPT = 455 * DAY * 1000;

/**
 * The sum of the stack's metric `KeyEncryptions`, from the lines `key_usage` of the application's log group. It needs
 * cloudwatch:GetMetricStatistics. `functionArn`: names the stack. Never rejects.
 */
export async function encryptionCount(
  functionArn: string,
  since: Date,
  now: Date,
  options: { readonly profile?: string },
): Promise<EncryptionCount> {
  const [, , , region = '', , , name = ''] = functionArn.split(':');
  if (!name.endsWith(FUNCTION_SUFFIX)) return { unknown: `${name || 'the function'} is not that of the stack` };
  const start = new Date(Math.max(since.getTime(), now.getTime() - KEPT));
  const client = limited(new CloudWatchClient(clientSettings(options, region)));
  try {
    const { Datapoints = [] } = await client.send(
      new GetMetricStatisticsCommand({
        Namespace: `${name.slice(0, -FUNCTION_SUFFIX.length)}/Security`,
        MetricName: 'KeyEncryptions',
        StartTime: start,
        EndTime: now,
        Period: DAY,
        Statistics: ['Sum'],
      }),
    );
    if (Datapoints.length === 0) return { unknown: 'the metric KeyEncryptions has no values', isAsked: true };
    return { encryptions: Datapoints.reduce((sum, { Sum = 0 }) => sum + Sum, 0), since: start.toISOString() };
  } catch (error) {
    return { unknown: `cloudwatch:GetMetricStatistics: ${awsErrorName(error) || 'no answer'}`, isAsked: true };
  } finally {
    client.destroy();
  }
}
