import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../../src/local/postgres/embedded-postgres.ts';
import { majorVersion, type Postgres } from './postgres.ts';

/**
 * A streaming replica of a server: its files are copied while it is in backup mode, as `pg_basebackup` does, which the
 * package of the binaries lacks.
 */
export async function startReplica(primary: Postgres): Promise<Postgres> {
  const parent = mkdtempSync(join(tmpdir(), 'replica-'));
  // The user of the server reads the copy.
  chmodSync(parent, 0o755);
  const template = join(parent, 'files');
  const [start, stop] =
    (await majorVersion(primary)) < 15
      ? ["pg_start_backup('replica', true, false)", 'pg_stop_backup(false, false)']
      : ["pg_backup_start('replica', true)", 'pg_backup_stop(false)'];
  try {
    await primary.client.query(`SELECT ${start}`);
    execFileSync('cp', ['-a', primary.folder, template]);
    rmSync(join(template, 'postmaster.pid'));
    const { rows } = await primary.client.query<{ labelfile: string }>(`SELECT labelfile FROM ${stop}`);
    return await startPostgres(false, {
      template,
      files: { backup_label: rows[0]?.labelfile ?? '', 'standby.signal': '' },
      settings: [
        `primary_conninfo=host=127.0.0.1 port=${primary.port} user=postgres application_name=copy`,
        'wal_receiver_status_interval=1s',
      ],
    });
  } finally {
    rmSync(parent, { recursive: true });
  }
}
