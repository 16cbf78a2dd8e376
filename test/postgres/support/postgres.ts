import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  initialize,
  POSTGRES_PACKAGE,
  startPostgres as start,
  type Postgres,
  type ServerOptions,
} from '../../../src/local/postgres/embedded-postgres.ts';
import { madeOnce } from '../../support/made-once.ts';

export type { Postgres };

/** Starts a server of the suite's own. Its files are copies in memory: initdb takes longer than many a suite. */
export async function startPostgres(options: ServerOptions = {}): Promise<Postgres> {
  const template = await madeOnce('cluster', [join(POSTGRES_PACKAGE, 'package.json')], (folder) => {
    // Not the usual 16 megabytes of a log that hardly any suite fills.
    initialize(folder, ['--wal-segsize=1']);
    return Promise.resolve();
  });
  return start(false, { ...options, template, parent: folderForServers() });
}

const MEMORY = '/dev/shm';
/** Several times what the servers of all workers hold. A container has 64 megabytes there, unless told otherwise. */
const ENOUGH = 2 ** 31;

function folderForServers(): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize > ENOUGH ? MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}

/** The major version of a server: a few things are there only from one on. */
export async function majorVersion({ client }: Postgres): Promise<number> {
  const { rows } = await client.query<{ version: string }>("SELECT current_setting('server_version_num') AS version");
  return Math.floor(Number(rows[0]?.version) / 10_000);
}
