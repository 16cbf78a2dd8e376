import { placeOf, type NamedColumn } from '../../postgres/catalog/column-name.ts';
import type { KeyNumber } from '../../format/key-number.ts';
import type { TriggerChoice } from '../../postgres/catalog/triggers.ts';
import { withSpare } from '../../postgres/connection/database.ts';
import { leftByLastReencryption } from '../../postgres/job/job-control.ts';
import type { AwsSession } from '../aws/session.ts';
import type { ProcessIo } from '../process-io.ts';
import type { ColumnFlags } from './column-flags.ts';
import { columnsOf, ringOf } from './column-options.ts';
import { databaseOf } from './database-options.ts';
import { censusOf } from './retire-census.ts';
import type { Census } from './row-count.ts';
import { shownReencryption, usageLog } from './shown-reencryption.ts';

export interface BroughtColumn extends NamedColumn {
  readonly keyNumber: number;
  /** `false` where it was stopped. */
  readonly isFinished: boolean;
  /** By this process. */
  readonly rows: number;
  /** Left untouched. */
  readonly left: number;
  /** Transactions whose rows it has not seen. */
  readonly openWriters?: string;
}

export interface MaintainedRows {
  /**
   * Rows that the last re-encryption left untouched, or `undefined` if it was not finished under this key. Rows may have
   * been written under an older key since.
   */
  readonly leftByLast: (target: KeyNumber) => Promise<number | undefined>;
  /** Under the current key. */
  readonly reencrypt: () => Promise<readonly BroughtColumn[]>;
  /** As `retire` does. */
  readonly census: Census;
}

interface RowsFlags extends ColumnFlags {
  readonly triggers?: TriggerChoice;
  readonly json?: boolean;
}

/** Does `work` with the rows. Rejects with `INVALID_SETTINGS` where the options name no rows, or no database. */
export async function withMaintainedRows<T>(
  session: AwsSession,
  flags: RowsFlags,
  world: ProcessIo,
  work: (rows: MaintainedRows) => Promise<T>,
): Promise<T> {
  const specs = await columnsOf(flags);
  const { triggers, connections } = flags;
  return withSpare(databaseOf(flags, session, world), (database) =>
    work({
      leftByLast: (target) => leftByLastReencryption(database, specs, target),
      reencrypt: async () => {
        const isQuiet = flags.json === true;
        const options = {
          triggers,
          isQuiet,
          warn: session.warn,
          now: session.deps.now,
          ...(connections === undefined ? {} : { connections }),
        };
        const keys = await ringOf(session, usageLog(world));
        const reports = await shownReencryption(database, specs, keys, world, options);
        return reports.map(
          ({ keyNumber, isFinished, ownReencrypted: rows, totals: { left }, openWriters, ...named }) => ({
            ...{ ...placeOf(named), keyNumber, isFinished, rows, left },
            ...(openWriters === undefined ? {} : { openWriters }),
          }),
        );
      },
      census: censusOf(session, flags, world),
    }),
  );
}
