import { setTimeout as sleep } from 'node:timers/promises';
import { DatabaseFailure } from './database-error.ts';
import type { Connection } from './database.ts';

/** A message that only readers of logical decoding see. Every role may write one, unless that was revoked. */
const MESSAGE = "SELECT pg_catalog.pg_logical_emit_message(true, 'pazpaz-keys', 'flush')";

const FLUSHED = 'SELECT pg_catalog.pg_current_wal_flush_lsn() OPERATOR(pg_catalog.>=) $1::pg_catalog.pg_lsn';

/** Milliseconds. The server flushes commits that no one waits for within three times its `wal_writer_delay`, 10 s at most. */
const PATIENCE = 60_000;
const PAUSE = 200;

/**
 * Resolves when everything that a snapshot of before saw is on the server's disk, also commits that did not wait for it
 * (`synchronous_commit = off`): a crash would undo them, and rows need an older key again. A commit that wrote to the log
 * flushes all of the log before it (PostgreSQL's `RecordTransactionCommit`). Does nothing on a replica. Rejects with
 * `DATABASE_REFUSED`.
 */
export async function waitForFlush(session: Connection, patience = PATIENCE): Promise<void> {
  const [[isReplica] = []] = await session.rows('SELECT pg_catalog.pg_is_in_recovery()');
  if (isReplica === 't') return;
  const isFlushed = await session.rows(MESSAGE).then(
    () => true,
    (error: unknown) => {
      if (error instanceof DatabaseFailure && error.code === 'DATABASE_REFUSED') return false;
      throw error;
    },
  );
  if (isFlushed) return;
  const [[position] = []] = await session.rows('SELECT pg_catalog.pg_current_wal_insert_lsn()');
  for (let waited = 0; ; waited += PAUSE) {
    const [[isDone] = []] = await session.rows(FLUSHED, [position ?? null]);
    if (isDone === 't') return;
    if (waited >= patience) throw notFlushed();
    await sleep(PAUSE);
  }
}

function notFlushed(): DatabaseFailure {
  return new DatabaseFailure(
    'DATABASE_REFUSED',
    'The server has not written to its disk what was counted, and a crash could undo it. Let this role have it written ' +
      '(GRANT EXECUTE ON FUNCTION pg_logical_emit_message TO its role), or run this again.',
  );
}

/** Whether a crash of the server's machine keeps what was committed; not with `fsync = off`. */
export async function waitsForDisk(session: Connection): Promise<boolean> {
  const [[fsync] = []] = await session.rows("SELECT pg_catalog.current_setting('fsync')");
  return fsync !== 'off';
}
