import { CreateSecretCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection, type DatabaseAddress } from '../../../src/postgres/connection/database.ts';
import { reencrypt } from '../../../src/postgres/job/reencrypt.ts';
import { encryptField } from '../../../src/format/field.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { endpointOf, giveCredentials, pazpazKeys, type Ran } from '../../cli/support/operator.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, keyOf, previous, ringWith, type TestRing } from '../../support/ring.ts';
import { Authority } from '../support/certificates.ts';
import { Clinic } from '../support/clinic.ts';
import { startFakeServer } from '../support/fake-server.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

const ARN_REGION = 'us-east-1';

let folder: string;
let postgres: Postgres;
let clinic: Clinic;
const authority = new Authority();
const server = authority.certify('localhost');
beforeAll(async () => {
  giveCredentials();
  folder = mkdtempSync(join(tmpdir(), 'pazpaz-credentials-'));
  postgres = await startPostgres({
    settings: ['ssl=on', 'password_encryption=scram-sha-256'],
    files: { 'server.crt': server.cert, 'server.key': server.key },
    access: ['host all operator 127.0.0.1/32 scram-sha-256'],
  });
  clinic = await Clinic.withKeys(postgres, 2);
  await clinic.sql('CREATE ROLE operator LOGIN SUPERUSER');
});
beforeEach(() => changePassword('first'));
afterEach(stopServices);
afterAll(async () => {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function changePassword(password: string): Promise<void> {
  await clinic.sql(`ALTER ROLE operator PASSWORD '${password}'`);
}

/** Ends the sessions of the role, as a failover does. */
async function endSessions(): Promise<void> {
  await clinic.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'operator'");
}

const ownUrl = () => postgres.url.replace('postgres@', 'operator@');
async function roleAt(database: DatabaseAddress): Promise<string | null | undefined> {
  const session = await Connection.open(database);
  try {
    return (await session.rows('SELECT current_user'))[0]?.[0];
  } finally {
    await session.close();
  }
}

/** Re-encrypts 300 rows; `during` runs once, after the first batches. */
async function reencryptWith(database: DatabaseAddress, during: () => Promise<void>): Promise<void> {
  await clinic.table(
    'patients',
    'bytea',
    Array.from({ length: 300 }, (_, id) => clinic.row(`${id}`, 1)),
  );
  let changed: Promise<void> | undefined;
  const [report] = await reencrypt(database, [{ table: 'patients', column: 'notes' }], clinic.keys, {
    batchRows: 10,
    rangeRows: 50,
    startOver: true,
    onBatch: () => {
      changed ??= during();
    },
  });
  await changed;
  expect(report).toMatchObject({ isFinished: true, totals: { readRows: 300, reencrypted: 300, left: 0 } });
  expect(await clinic.census({ table: 'patients', column: 'notes' })).toMatchObject({ numbered: { 2: 300 } });
}

describe('a password in a file', () => {
  const file = () => join(folder, 'pgpass');
  const write = (password: string) => {
    writeFileSync(file(), `localhost:*:*:*:wrong\n127.0.0.1:${postgres.port}:*:operator:${password}\n`, {
      mode: 0o600,
    });
  };
  beforeEach(() => {
    process.env['PGPASSFILE'] = file();
    write('first');
  });
  afterEach(() => {
    delete process.env['PGPASSFILE'];
  });

  it('is found', async () => {
    expect(await roleAt({ url: ownUrl() })).toBe('operator');
  });

  it('is asked for, where it is not there', async () => {
    writeFileSync(file(), '');
    const error = await rejectionOf(Connection.open({ url: ownUrl() }));
    expect(error.code).toBe('INVALID_SETTINGS');
    expect(error.message).toMatch(/"operator"[^]*\.pgpass/);
  });

  it('may change in the middle of a re-encryption', async () => {
    await reencryptWith({ url: ownUrl() }, async () => {
      await changePassword('second');
      write('second');
      await endSessions();
    });
  });
});

it('a password in the URL that is wrong is refused at once', async () => {
  const error = await rejectionOf(Connection.open({ url: ownUrl().replace('operator@', 'operator:wrong@') }));
  expect(error).toMatchObject({ code: 'DATABASE_REFUSED', state: '28P01' });
});

describe('a password that is fetched for each connection', () => {
  it('may be rotated in the middle of a re-encryption, also where the role has the new one before the secret', async () => {
    let isChanged = false;
    let isLate = true;
    const database: DatabaseAddress = {
      url: ownUrl(),
      credentials: () => {
        const password = isChanged && !isLate ? 'second' : 'first';
        if (isChanged) isLate = false;
        return Promise.resolve({ password: () => password });
      },
    };
    await reencryptWith(database, async () => {
      await changePassword('second');
      isChanged = true;
      await endSessions();
    });
  });

  it.each([
    ['a second password in the URL', () => ownUrl().replace('operator@', 'operator:hunter2@'), {}],
    ['another role in the URL', () => postgres.url, { user: 'operator' }],
  ])('is refused together with %s', async (_, url, defaults) => {
    const credentials = () => Promise.resolve({ defaults, password: () => 'first' });
    const error = await rejectionOf(Connection.open({ url: url(), credentials }));
    expect(error.code).toBe('INVALID_SETTINGS');
    expect(error.message).not.toContain('hunter2');
  });
});

describe('--database-secret', () => {
  const COLUMN = ['--table', 'patients', '--column', 'notes'];
  const census = async (ring: TestRing, secret: string, url?: string): Promise<Ran> =>
    pazpazKeys(ring, ['census', ...COLUMN, '--database-secret', secret], {
      environment: url === undefined ? {} : { DATABASE_URL: url },
    });
  const keep = async (ring: TestRing, name: string, value: object | string) => {
    await endpointOf(ring);
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const { ARN } = await ring.client.send(new CreateSecretCommand({ Name: name, SecretString: text }));
    return ARN ?? '';
  };

  beforeEach(async () => {
    const row = encryptField('x', keyOf(2), '', { number: toKeyNumber(2) });
    await clinic.table('patients', 'bytea', [row]);
  });

  it('has the role and the password, and may have the server and the database', async () => {
    const ring = await ringWith(previous(1), current(2));
    const login = { username: 'operator', password: 'first' };
    const short = await keep(ring, 'rds!db-1', login);
    expect(await census(ring, short, ownUrl().replace('operator@', ''))).toMatchObject({ exitCode: 0, stderr: '' });
    const where = { engine: 'postgres', host: '127.0.0.1', port: postgres.port, dbname: 'postgres' };
    const long = await keep(ring, 'clinic/database', { ...login, ...where });
    expect(await census(ring, long)).toMatchObject({ exitCode: 0, stderr: '' });
    await changePassword('second');
    const value = JSON.stringify({ ...login, ...where, password: 'second' });
    await ring.client.send(new PutSecretValueCommand({ SecretId: long, SecretString: value }));
    expect(await census(ring, long)).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it.each([
    ['is no JSON', 'hunter2 {'],
    ['has no password', { username: 'operator', pass: 'hunter2' }],
    ['is for another engine', { username: 'operator', password: 'hunter2', engine: 'mysql' }],
  ])('a secret that %s is refused and not quoted', async (_, value) => {
    const ring = await ringWith(previous(1), current(2));
    const ran = await census(ring, await keep(ring, 'clinic/database', value), postgres.url);
    expect(ran).toMatchObject({ exitCode: 2, stdout: '' });
    expect(ran.stderr).toContain(ARN_REGION);
    expect(ran.stderr).not.toContain('hunter2');
  });

  it('a secret that does not exist is named', async () => {
    const ring = await ringWith(previous(1), current(2));
    const ran = await census(ring, 'clinic/none', postgres.url);
    expect(ran.exitCode).toBe(1);
    expect(ran.stderr).toMatch(/SECRET_NOT_FOUND[^]*clinic\/none/);
  });
});

describe('--rds-iam', () => {
  it('sends a token that is signed for the server and the role, and over TLS only', async () => {
    const fake = await startFakeServer({ tls: server });
    const root = join(folder, 'root.pem');
    writeFileSync(root, authority.cert);
    const ring = await ringWith(previous(1), current(2));
    const url = `postgres://operator@localhost:${fake.port}/clinic`;
    const run = (parameters: string) =>
      pazpazKeys(ring, ['census', '--table', 'patients', '--column', 'notes', '--rds-iam'], {
        environment: { DATABASE_URL: `${url}?${parameters}` },
      });
    try {
      expect(await run(`sslmode=verify-full&sslrootcert=${root}`)).toMatchObject({ exitCode: 3 });
      const token = new RegExp(
        `localhost:${fake.port}/\\?Action=connect&DBUser=operator&X-Amz-Algorithm=\\S+us-east-1`,
      );
      expect(fake.received()).toMatch(token);
      const refused = await run('sslmode=disable');
      expect(refused.exitCode).toBe(2);
      expect(refused.stderr).toContain('sslmode=verify-full');
    } finally {
      await fake.stop();
    }
  });

  it('is not taken together with a secret', async () => {
    const ring = await ringWith(previous(1), current(2));
    const both = ['--rds-iam', '--database-secret', 'x', '--database-url', postgres.url];
    expect(await pazpazKeys(ring, ['census', '--table', 'a', '--column', 'b', ...both])).toMatchObject({ exitCode: 2 });
  });
});
