import { DescribeAlarmsCommand, type CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import type { AlarmFacts } from '../evidence.ts';

/** The stack adds this to its name prefix. */
const FUNCTION_SUFFIX = 'KeyRotation';

/** Made by default, here without the stack's name prefix. */
export const ALARMS = [
  'ExcessiveKeyAccess',
  'UnauthorizedKeyAccess',
  'RotationFailed',
  'KeyRotationErrors',
  'AdoptionFailed',
  'RotationOverdue',
  'FewFreeKeySlots',
  'UnnumberedCurrentKey',
  'RotationOff',
] as const;

/** `undefined` if the function is of another stack. */
export function prefixOf(functionArn: string | undefined): string | undefined {
  const name = functionArn?.split(':')[6] ?? '';
  return name.endsWith(FUNCTION_SUFFIX) ? name.slice(0, -FUNCTION_SUFFIX.length) : undefined;
}

/** An alarm that does not exist has no state. Rejects with CloudWatch's error. */
export async function readAlarms(
  client: Pick<CloudWatchClient, 'send'>,
  prefix: string,
): Promise<readonly AlarmFacts[]> {
  const found: AlarmFacts[] = [];
  let page: string | undefined;
  do {
    const { MetricAlarms = [], NextToken } = await client.send(
      new DescribeAlarmsCommand({ AlarmNamePrefix: prefix, ...(page === undefined ? {} : { NextToken: page }) }),
    );
    for (const {
      AlarmName: name = '',
      StateValue,
      StateUpdatedTimestamp,
      ActionsEnabled,
      AlarmActions = [],
    } of MetricAlarms) {
      found.push({
        name,
        exists: true,
        ...(StateValue === undefined ? {} : { state: StateValue }),
        ...(StateUpdatedTimestamp === undefined ? {} : { since: StateUpdatedTimestamp.toISOString() }),
        notifies: ActionsEnabled === true && AlarmActions.length > 0,
      });
    }
    page = NextToken;
  } while (page !== undefined);
  const missing = ALARMS.map((name) => `${prefix}${name}`).filter(
    (name) => !found.some((alarm) => alarm.name === name),
  );
  return [...found, ...missing.map((name) => ({ name, exists: false, notifies: false }))];
}
