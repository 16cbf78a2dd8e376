import { USAGE_LIMITS } from '../../keyring/telemetry/key-usage.ts';
import { encryptionCount, type EncryptionCount } from '../aws/encryption-count.ts';
import type { AwsSession } from '../aws/session.ts';
import type { RingReport } from './ring-report.ts';

/** Of a stack, named by its function, since a moment. */
export type CountEncryptions = (functionArn: string, since: Date) => Promise<EncryptionCount>;

/** Does not call CloudWatch where another service replaces those of AWS. */
export function countEncryptions(
  { deps, whyNotAsked }: AwsSession,
  options: { readonly profile?: string },
): CountEncryptions {
  return (functionArn, since) => {
    const why = whyNotAsked('CLOUDWATCH');
    return why === undefined
      ? encryptionCount(functionArn, since, deps.now(), options)
      : Promise.resolve({ unknown: why });
  };
}

/** Since the current key was made. */
export async function keyEncryptions(
  { rotation, versions }: Pick<RingReport, 'rotation' | 'versions'>,
  count: CountEncryptions,
): Promise<EncryptionCount> {
  const created = versions.find(({ state }) => state === 'current')?.created;
  if (rotation.functionArn === undefined || created === undefined) return { unknown: 'no function, or no current key' };
  return count(rotation.functionArn, new Date(created));
}

/** For the screen; `undefined` without a function, or on a service that is not AWS's. */
export function encryptionWords(count: EncryptionCount): string | undefined {
  if ('unknown' in count) return count.isAsked === true ? `not known: ${count.unknown}` : undefined;
  const { encryptions, since } = count;
  const share = ((100 * encryptions) / USAGE_LIMITS.last).toFixed(2);
  return `${encryptions.toLocaleString('en')} encryptions logged since ${since.slice(0, 10)}, ${share} % of 2^32`;
}
