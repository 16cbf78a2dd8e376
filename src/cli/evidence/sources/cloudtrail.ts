import type { LookupEventsCommandInput, LookupEventsCommandOutput } from '@aws-sdk/client-cloudtrail';
import { KMS_EVENTS, SECRET_EVENTS, entriesOf, type Trailed } from './trail-event.ts';
import type { HistoryEntry } from '../evidence.ts';

/** "Working with CloudTrail event history": management events of 90 days. */
const DAYS = 90;

/** LookupEvents may be called twice a second. */
const PAUSE = 600;

/** Of 50 events, for each kind of event. */
const MOST_PAGES = 20;

interface TrailReading {
  readonly entries: readonly HistoryEntry[];
  /** From this moment on, no event is missing. */
  readonly since: string;
  /** Kinds of events of which there were too many to read. */
  readonly cutOff: readonly string[];
}

interface TrailOptions {
  readonly lookUp: (input: LookupEventsCommandInput) => Promise<LookupEventsCommandOutput>;
  readonly about: Trailed;
  readonly now: Date;
  readonly sleep: (milliseconds: number) => Promise<unknown>;
}

/**
 * Asked for each kind of event and not for the secret, because that would find the reads of a fleet, too. Rejects with
 * CloudTrail's error.
 */
export async function readTrail({ lookUp, about, now, sleep }: TrailOptions): Promise<TrailReading> {
  const start = new Date(now.getTime() - DAYS * 24 * 3_600_000);
  const entries: HistoryEntry[] = [];
  const cutOff: string[] = [];
  let since = start;
  for (const name of [...SECRET_EVENTS, ...(about.kmsKeyIds.length === 0 ? [] : KMS_EVENTS)]) {
    let page: string | undefined;
    let pages = 0;
    let oldest: Date | undefined;
    do {
      const { Events = [], NextToken } = await lookUp({
        LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: name }],
        StartTime: start,
        EndTime: now,
        ...(page === undefined ? {} : { NextToken: page }),
      });
      entries.push(...Events.flatMap(({ CloudTrailEvent = '' }) => entriesOf(CloudTrailEvent, about)));
      oldest = Events.at(-1)?.EventTime ?? oldest;
      page = NextToken;
      pages += 1;
      await sleep(PAUSE);
    } while (page !== undefined && pages < MOST_PAGES);
    if (page === undefined) continue;
    cutOff.push(name);
    // The newest come first, so what is older than the last one was not read.
    if (oldest === undefined || oldest > since) since = oldest ?? now;
  }
  return { entries, since: since.toISOString(), cutOff };
}
