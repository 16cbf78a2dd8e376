import { applicationLog, type ApplicationLog } from '../../keyring/application-log.ts';
import type { RingKeys } from '../../postgres/all-keys.ts';
import type { ColumnSpec } from '../../postgres/catalog/column.ts';
import type { DatabaseAddress } from '../../postgres/connection/database.ts';
import { reencrypt, type ReencryptOptions, type ReencryptReport } from '../../postgres/job/reencrypt.ts';
import type { ProcessIo } from '../process-io.ts';
import { paintFor, warningLine } from '../terminal/paint.ts';
import { queryNotAsked } from './brake-options.ts';
import { ProgressLine } from './progress.ts';

interface Showing extends Omit<ReencryptOptions, 'signal' | 'onBatch' | 'onQueryNotAsked'> {
  readonly isQuiet: boolean;
  /** For the end of the command. */
  readonly warn: (text: string) => void;
}

/** The first Ctrl-C stops it after the current batch. */
export async function shownReencryption(
  database: DatabaseAddress,
  specs: readonly ColumnSpec[],
  keys: RingKeys,
  world: ProcessIo,
  { isQuiet, warn, ...options }: Showing,
): Promise<readonly ReencryptReport[]> {
  const progress = new ProgressLine(world.stderr, () => world.now().getTime());
  const paint = paintFor(world.stderr, world.environment);
  // At once: other processes wait while this one works.
  const warnNow = (text: string) => {
    progress.end();
    world.stderr.write(warningLine(text, paint));
  };
  const stop = new AbortController();
  const onSignal = () => {
    if (!isQuiet) world.stderr.write('\nStopping after this batch. Press Ctrl-C again to stop at once.\n');
    stop.abort();
  };
  // A second signal ends the process as usual and loses at most one batch.
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    return await reencrypt(database, specs, keys, {
      ...options,
      signal: stop.signal,
      onQueryNotAsked: (why) => {
        (isQuiet ? warn : warnNow)(queryNotAsked(why));
      },
      ...(isQuiet ? {} : { onBatch: progress.onBatch }),
    });
  } finally {
    keys.reportUsage();
    progress.end();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

/** Where standard error is collected, the lines count towards the metric of the application's log group. */
export function usageLog({ stderr, now }: ProcessIo): ApplicationLog | undefined {
  if (stderr.isTTY === true) return undefined;
  return applicationLog(
    (line) => stderr.write(`${JSON.stringify(line)}\n`),
    () => now().getTime(),
  );
}
