import { FilterLogEventsCommand, type CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { HistoryEntry } from '../evidence.ts';
import { parsedMembers } from './json-members.ts';

const PATTERN = '?"key_promoted" ?"rotation_step_failed"';

/** A page may be empty. */
const MOST_PAGES = 200;

/**
 * Which keys became current, and which rotations failed. `isCutOff`: the log has more. Rejects with the error of
 * CloudWatch Logs.
 */
export async function readFunctionLog(
  client: Pick<CloudWatchLogsClient, 'send'>,
  logGroupName: string,
): Promise<{ readonly entries: readonly HistoryEntry[]; readonly isCutOff: boolean }> {
  const entries: HistoryEntry[] = [];
  let page: string | undefined;
  let pages = 0;
  do {
    const { events = [], nextToken } = await client.send(
      new FilterLogEventsCommand({
        logGroupName,
        filterPattern: PATTERN,
        ...(page === undefined ? {} : { nextToken: page }),
      }),
    );
    for (const { message = '', timestamp } of events) entries.push(...entryOf(message, timestamp));
    page = nextToken;
    pages += 1;
  } while (page !== undefined && pages < MOST_PAGES);
  return { entries, isCutOff: page !== undefined };
}

function entryOf(message: string, timestamp: number | undefined): readonly HistoryEntry[] {
  const { event, versionId, keyNumber, step, code } = parsedMembers(message);
  if (timestamp === undefined || typeof versionId !== 'string') return [];
  const entry = { at: new Date(timestamp).toISOString(), source: 'function-log' as const, versionId };
  if (event === 'key_promoted') {
    return [{ ...entry, event: 'made-current', ...(typeof keyNumber === 'number' ? { number: keyNumber } : {}) }];
  }
  if (event !== 'rotation_step_failed') return [];
  const detail = [step, code].filter((part) => typeof part === 'string').join(': ');
  return [{ ...entry, event: 'rotation-failed', detail }];
}
