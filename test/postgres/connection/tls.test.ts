import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { Authority } from '../support/certificates.ts';
import { startFakeServer } from '../support/fake-server.ts';
import { majorVersion, startPostgres, type Postgres } from '../support/postgres.ts';

/** An address of this machine that does not say so: what is beyond it is identified by the name of the host alone. */
const BEYOND = '0.0.0.0';

let folder: string;
let postgres: Postgres;
let file: Readonly<Record<'root' | 'other' | 'cert' | 'key', string>>;

beforeAll(async () => {
  const authority = new Authority();
  const server = authority.certify('localhost');
  const client = authority.certify('certified');
  folder = mkdtempSync(join(tmpdir(), 'pazpaz-tls-'));
  const written = { root: authority.cert, other: new Authority().cert, ...client };
  const path = (name: string) => join(folder, `${name}.pem`);
  for (const [name, text] of Object.entries(written)) writeFileSync(path(name), text);
  file = { root: path('root'), other: path('other'), cert: path('cert'), key: path('key') };
  postgres = await startPostgres({
    settings: ['ssl=on', 'listen_addresses=0.0.0.0'],
    files: { 'server.crt': server.cert, 'server.key': server.key, 'root.crt': authority.cert },
    access: [
      'hostssl all certified 127.0.0.1/32 cert',
      'hostnossl all encrypted all reject',
      'hostssl all clear all reject',
    ],
  });
  await postgres.client.query('CREATE ROLE certified LOGIN; CREATE ROLE encrypted LOGIN; CREATE ROLE clear LOGIN');
  await postgres.client.query("ALTER SYSTEM SET ssl_ca_file = 'root.crt'");
  await postgres.client.query('SELECT pg_reload_conf()');
});
afterAll(async () => {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

const url = (host: string, parameters = '', user = 'postgres') =>
  `postgres://${user}@${host}:${postgres.port}/postgres?${parameters}`;

/** Whether a connection is encrypted, as the server sees it. */
async function isEncrypted(address: string): Promise<boolean> {
  const session = await Connection.open({ url: address });
  try {
    const [row] = await session.rows('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
    return row?.[0] === 't';
  } finally {
    await session.close();
  }
}

describe('a server with a certificate of a private authority', () => {
  it.each([
    ['localhost', 'sslmode=disable', false],
    ['localhost', 'sslmode=allow', false],
    ['localhost', 'sslmode=prefer', true],
    ['localhost', '', true],
    ['localhost', 'sslmode=require', true],
    ['127.0.0.1', 'sslmode=verify-ca&sslrootcert=ROOT', true],
    ['localhost', 'sslmode=verify-full&sslrootcert=ROOT', true],
    ['localhost', 'sslmode=verify-full&sslrootcert=ROOT&ssl_min_protocol_version=TLSv1.2', true],
    ['localhost', 'sslmode=prefer&sslrootcert=OTHER', false],
    [BEYOND, 'sslmode=disable', false],
    [BEYOND, 'sslmode=allow', true],
    [BEYOND, 'sslmode=prefer', true],
    [BEYOND, 'sslmode=require', true],
    [BEYOND, 'sslmode=verify-ca&sslrootcert=ROOT', true],
  ])('at %s with %j: encrypted is %j', async (host, parameters, expected) => {
    const named = parameters.replace('ROOT', file.root).replace('OTHER', file.other);
    expect(await isEncrypted(url(host, named))).toBe(expected);
  });

  it.each([
    ['127.0.0.1', 'sslmode=verify-full&sslrootcert=ROOT', 'CANNOT_REACH_DATABASE', /ERR_TLS_CERT_ALTNAME_INVALID/],
    ['localhost', 'sslmode=verify-full&sslrootcert=OTHER', 'CANNOT_REACH_DATABASE', /sslrootcert/],
    ['localhost', 'sslmode=verify-ca&sslrootcert=OTHER', 'CANNOT_REACH_DATABASE', /sslrootcert/],
    ['localhost', 'sslmode=require&sslrootcert=OTHER', 'CANNOT_REACH_DATABASE', /sslrootcert/],
    [BEYOND, 'sslmode=prefer&sslrootcert=OTHER', 'CANNOT_REACH_DATABASE', /sslrootcert/],
    ['localhost', 'sslrootcert=system', 'CANNOT_REACH_DATABASE', /sslrootcert/],
    ['localhost', 'sslmode=require&sslrootcert=system', 'INVALID_SETTINGS', /verify-full/],
    ['localhost', 'sslmode=verify-full&sslrootcert=/none/ca.pem', 'INVALID_SETTINGS', /sslrootcert \/none\/ca\.pem/],
    ['localhost', 'sslmode=verify-full', 'INVALID_SETTINGS', /sslrootcert=FILE/],
    ['localhost', 'sslmode=no-verify', 'INVALID_SETTINGS', /disable, allow, prefer, require/],
    ['localhost', 'ssl=true', 'INVALID_SETTINGS', /sslmode=verify-full/],
    ['localhost', 'sslmode=prefer&sslnegotiation=direct', 'INVALID_SETTINGS', /sslnegotiation=direct/],
    [BEYOND, '', 'INVALID_SETTINGS', /sslmode=verify-full&sslrootcert=FILE[^]*sslmode=disable/],
  ])('at %s with %j is refused: %s', async (host, parameters, code, message) => {
    const named = parameters.replace('ROOT', file.root).replace('OTHER', file.other);
    const error = await rejectionOf(Connection.open({ url: url(host, named) }));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it('what pg_hba.conf allows only with TLS, or only without, is found by prefer and allow', async () => {
    expect(await isEncrypted(url('localhost', 'sslmode=allow', 'encrypted'))).toBe(true);
    expect(await isEncrypted(url('localhost', 'sslmode=prefer', 'clear'))).toBe(false);
  });

  it('a client certificate opens the door that asks for one', async () => {
    const certificate = `sslcert=${file.cert}&sslkey=${file.key}`;
    expect(await isEncrypted(url('127.0.0.1', `sslmode=require&${certificate}`, 'certified'))).toBe(true);
    const error = await rejectionOf(Connection.open({ url: url('127.0.0.1', 'sslmode=require', 'certified') }));
    expect(error.code).toBe('DATABASE_REFUSED');
  });

  it('sslnegotiation=direct needs no question to the server (PostgreSQL 17)', async () => {
    if ((await majorVersion(postgres)) < 17) return;
    const parameters = `sslmode=verify-full&sslrootcert=${file.root}&sslnegotiation=direct`;
    expect(await isEncrypted(url('localhost', parameters))).toBe(true);
  });

  it('the variables of psql say the same as the URL, which counts more', async () => {
    process.env['PGSSLMODE'] = 'verify-full';
    process.env['PGSSLROOTCERT'] = file.other;
    try {
      await rejectionOf(Connection.open({ url: url('localhost') }));
      expect(await isEncrypted(url('localhost', `sslrootcert=${file.root}`))).toBe(true);
    } finally {
      delete process.env['PGSSLMODE'];
      delete process.env['PGSSLROOTCERT'];
    }
  });
});

describe('a server beyond this machine that has no TLS, or a man in the middle who says so', () => {
  const PASSWORD = 'hunter2-of-clinic';
  it.each(['', 'sslmode=allow', 'sslmode=prefer', 'sslmode=require', 'sslmode=verify-full&sslrootcert=ROOT'])(
    'is never sent the password: %j',
    async (parameters) => {
      const server = await startFakeServer();
      const named = parameters.replace('ROOT', file.root);
      const address = `postgres://operator:${PASSWORD}@${BEYOND}:${server.port}/clinic?${named}`;
      try {
        const error = await rejectionOf(Connection.open({ url: address }));
        expect(error.message).not.toContain(PASSWORD);
        expect(error.message).toContain('sslmode=disable');
        expect(server.received()).not.toContain(PASSWORD);
        expect(server.received()).not.toContain('operator');
      } finally {
        await server.stop();
      }
    },
  );

  it('is sent it where sslmode=disable asks for that', async () => {
    const server = await startFakeServer();
    try {
      const address = `postgres://operator:${PASSWORD}@${BEYOND}:${server.port}/clinic?sslmode=disable`;
      await rejectionOf(Connection.open({ url: address }));
      expect(server.received()).toContain(PASSWORD);
    } finally {
      await server.stop();
    }
  });
});
