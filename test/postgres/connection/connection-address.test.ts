import { connectionAddress } from '../../../src/postgres/connection/connection-address.ts';
import type { Environment } from '../../../src/postgres/connection/connection-parameters.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { startFakeServer } from '../support/fake-server.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres({ settings: ['listen_addresses=*'] });
});
afterAll(() => postgres.stop());

/** The value of a setting or an expression, as a connection to `url` sees it. */
async function seen(url: string, expression: string): Promise<string | null | undefined> {
  const session = await Connection.open({ url });
  try {
    const [row] = await session.rows(`SELECT ${expression}`);
    return row?.[0];
  } finally {
    await session.close();
  }
}

describe('one address in different words', () => {
  const local = { host: 'localhost', port: 5432 };
  it.each<readonly [string | undefined, Environment, object[]]>([
    [undefined, {}, [local]],
    [undefined, { PGPORT: '5433' }, [{ ...local, port: 5433 }]],
    [undefined, { PGHOST: 'a,b', PGPORT: '1,2' }, [{ host: 'a', port: 1 }, { host: 'b', port: 2 }]], // prettier-ignore
    [undefined, { PGHOST: 'a,b', PGPORT: '7' }, [{ host: 'a', port: 7 }, { host: 'b', port: 7 }]], // prettier-ignore
    ['postgres://db/clinic', { PGHOST: 'other', PGPORT: '7' }, [{ host: 'db', port: 7 }]],
    ['postgres://u@a:1,b/clinic', {}, [{ host: 'a', port: 1 }, { host: 'b', port: 5432 }]], // prettier-ignore
    ['postgresql://[2001:db8::1]:7/clinic', {}, [{ host: '2001:db8::1', port: 7 }]],
    ['postgres://%2Fvar%2Frun/clinic', {}, [{ host: '/var/run', port: 5432 }]],
    ['postgres:///clinic?host=/var/run&port=7', {}, [{ host: '/var/run', port: 7 }]],
    ['postgres://db:1/clinic?host=other', {}, [{ host: 'other', port: 1 }]],
  ])('%s with %j', (url, environment, hosts) => {
    expect(connectionAddress(url, environment).hosts).toEqual(hosts);
  });

  it('user, password and database are decoded, and the parameters count more', () => {
    const { of, database } = connectionAddress('postgres://a%40b:p%2Fw:d%3F@h/cl%C3%ADnic?user=c', { PGUSER: 'd' });
    expect([of('user'), of('password'), database]).toEqual(['c', 'p/w:d?', 'clínic']);
  });
});

describe('what other tools obey is obeyed', () => {
  it.each([
    [
      'a Unix socket',
      (url: string) => url.replace(/127.*\//, `${encodeURIComponent(postgres.folder)}:${postgres.port}/`),
    ],
    ['IPv6', (url: string) => url.replace('127.0.0.1', '[::1]')],
    ['the second of two hosts', (url: string) => url.replace('127.0.0.1', '127.0.0.1:1,127.0.0.1')],
  ])('%s', async (_, spelt) => {
    expect(await seen(spelt(postgres.url), '1')).toBe('1');
  });

  it.each([
    ['options=-c%20work_mem=5MB', "current_setting('work_mem')", '5MB'],
    ['application_name=clinic', "current_setting('application_name')", 'clinic'],
    ['fallback_application_name=clinic', "current_setting('application_name')", 'clinic'],
    ['', "current_setting('application_name')", 'pazpaz-keys'],
    ['dbname=template1', 'current_database()', 'template1'],
    ['user=postgres&port=PORT&connect_timeout=3', 'current_user', 'postgres'],
    ['target_session_attrs=read-write&client_encoding=UTF8', '1', '1'],
    ['target_session_attrs=primary&gssencmode=prefer&channel_binding=prefer', '1', '1'],
  ])('%s', async (parameters, expression, expected) => {
    const named = parameters.replace('PORT', `${postgres.port}`);
    expect(await seen(`${postgres.url}?${named}`, expression)).toBe(expected);
  });

  it('PGOPTIONS and PGAPPNAME', async () => {
    Object.assign(process.env, { PGOPTIONS: '-c work_mem=6MB', PGAPPNAME: 'tool' });
    try {
      const both = "current_setting('work_mem') || current_setting('application_name')";
      expect(await seen(postgres.url, both)).toBe('6MBtool');
    } finally {
      delete process.env['PGOPTIONS'];
      delete process.env['PGAPPNAME'];
    }
  });
});

describe('what is not obeyed is refused by its name', () => {
  it.each([
    ...['currentSchema=own', 'pgbouncer=true', 'service=clinic', 'hostaddr=10.0.0.1', 'passfile=/x', 'toString=1'],
    ...[
      'ssl=true',
      'sslaccept=strict',
      'connection_limit=5',
      'statement_timeout=5',
      'lock_timeout=5',
      'query_timeout=5',
    ],
    ...['gssencmode=require', 'client_encoding=LATIN1', 'load_balance_hosts=random', 'requirepeer=postgres'],
    ...['target_session_attrs=standby', 'channel_binding=require', 'connect_timeout=0', 'sslsni=0'],
  ])('%s', async (parameter) => {
    const error = await rejectionOf(Connection.open({ url: `${postgres.url}?${parameter}` }));
    expect(error.code).toBe('INVALID_SETTINGS');
    expect(error.message).toContain(parameter.replace(/=.*/, ''));
  });

  it.each([
    ...['PGSERVICE', 'PGSERVICEFILE', 'PGHOSTADDR', 'PGREQUIREAUTH', 'PGREQUIRESSL', 'PGGSSENCMODE', 'PGSSLCRLDIR'],
    ...['PGCLIENTENCODING', 'PGLOADBALANCEHOSTS', 'PGREQUIREPEER', 'PGSSLSNI', 'PGMINPROTOCOLVERSION'],
  ])('%s', (name) => {
    expect(() => connectionAddress('postgres://db/clinic', { [name]: 'x' })).toThrow(name);
  });

  it.each(['postgres://a,b:1,c:2/clinic?port=1,2', 'postgres://a:0/clinic', 'postgres://a:99999/clinic'])(
    'ports that fit no host: %s',
    (url) => {
      expect(() => connectionAddress(url, {})).toThrow(/port/);
    },
  );
});

describe('a password with characters that a URL has for itself', () => {
  const part = /hunter|secret|getter/;
  it.each(['/', '?', '#', '@', '/?', '@/', '#@', '1/secret@', '1?secret=', '1#', '%', '&', '=&'])(
    'is not shown in part: %j',
    async (special) => {
      for (const url of [
        `postgres://operator:hunter${special}getter@127.0.0.1:1/clinic`,
        `postgres://operator:1${special}getter@127.0.0.1:1/clinic`,
        `postgres://127.0.0.1:1/clinic?user=operator&password=hunter${special}getter`,
      ]) {
        const error = await rejectionOf(Connection.open({ url }));
        expect(error.message).not.toMatch(part);
        expect(JSON.stringify(error)).not.toMatch(part);
      }
    },
  );
});

describe('several hosts', () => {
  it('the primary among them is taken, wherever it stands', async () => {
    const replica = await startReplica();
    try {
      const hosts = (first: number, second: number) =>
        `postgres://postgres@127.0.0.1:${first},127.0.0.1:${second}/postgres`;
      for (const url of [hosts(replica.port, postgres.port), hosts(postgres.port, replica.port)]) {
        expect(await seen(url, 'pg_is_in_recovery()')).toBe('f');
      }
      const error = await rejectionOf(Connection.open({ url: hosts(replica.port, replica.port) }));
      expect(error.message).toContain('is a replica');
    } finally {
      await replica.stop();
    }
  });

  it('a password that one refuses is not carried to the next', async () => {
    const next = await startFakeServer();
    try {
      const url = `postgres://nobody@127.0.0.1:${postgres.port},127.0.0.1:${next.port}/postgres`;
      expect((await rejectionOf(Connection.open({ url }))).code).toBe('DATABASE_REFUSED');
      expect(next.received()).toBe('');
    } finally {
      await next.stop();
    }
  });
});

/** A server in recovery, which is what a replica is. It needs as many connections as its primary had. */
function startReplica(): Promise<Postgres> {
  return startPostgres({ files: { 'standby.signal': '' }, settings: ['max_connections=100'] });
}
