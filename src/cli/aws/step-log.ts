import { FilterLogEventsCommand, type CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { awsErrorName } from '../../secret/aws-error.ts';
import type { StepLine } from '../ring/follow.ts';
import { STEP_PATTERN, stepReader } from './step-reader.ts';

export interface StepLogOptions {
  readonly logGroup: string;
  /** The rotation's client request token. */
  readonly versionId: string;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** Called once, with the reason. */
  readonly onUnreadable: (why: string) => void;
}

/** FilterLogEvents has a quota of a few calls per second. The rest comes with the next look. */
const TRY_LATER = ['ThrottlingException', 'ServiceUnavailableException'];

/**
 * At each call the lines that are new, in order of time. It reads from the beginning, because CloudWatch Logs may show
 * an older line after a newer one. Never rejects; `undefined` once the log cannot be read.
 */
export function stepLog(
  client: CloudWatchLogsClient,
  { logGroup, versionId, since, onUnreadable }: StepLogOptions,
): () => Promise<readonly StepLine[] | undefined> {
  const seen = new Set<string>();
  const read = stepReader(versionId);
  let isOver = false;
  let isSaid = false;

  const readPages = async (found: StepLine[]): Promise<void> => {
    let page: string | undefined;
    do {
      const { events = [], nextToken } = await client.send(
        new FilterLogEventsCommand({
          logGroupName: logGroup,
          startTime: since,
          filterPattern: STEP_PATTERN,
          ...(page === undefined ? {} : { nextToken: page }),
        }),
      );
      for (const { eventId = '', message = '' } of events) {
        const line = seen.has(eventId) ? undefined : read(message);
        seen.add(eventId);
        if (line !== undefined) found.push(line);
      }
      page = nextToken;
    } while (page !== undefined);
  };

  const unreadable = (name: string): void => {
    // The function's first run creates the log group.
    const isMissing = name === 'ResourceNotFoundException';
    isOver = !isMissing;
    if (!isSaid) onUnreadable(isMissing ? `there is no log group ${logGroup} so far` : `logs:FilterLogEvents: ${name}`);
    isSaid = true;
  };

  return async () => {
    if (isOver) return undefined;
    const found: StepLine[] = [];
    try {
      await readPages(found);
    } catch (error) {
      const name = awsErrorName(error);
      if (!TRY_LATER.includes(name)) unreadable(name);
    }
    return found;
  };
}
