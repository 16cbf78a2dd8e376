import { Socket } from 'node:net';
import pg from 'pg';
import { AnswerWatch, type AnswerLimits } from '../../../src/postgres/connection/answer-limits.ts';
import { Connection } from '../../../src/postgres/connection/database.ts';
import { rejectionOf } from '../../keyring/support/rejection-of.ts';
import { letIn, startFakeServer, stream, type FakeOptions } from '../support/fake-server.ts';
import { startPostgres } from '../support/postgres.ts';

/** A notice with a text of so many bytes, in whole. */
function notice(bytes: number): Buffer {
  const text = Buffer.concat([Buffer.from('M'), Buffer.alloc(bytes, 'x'), Buffer.from([0, 0])]);
  const head = Buffer.from([0x4e, 0, 0, 0, 0]);
  head.writeInt32BE(text.length + 4, 1);
  return Buffer.concat([head, text]);
}

/** The first bytes of a row that says that it has a gigabyte. */
const ENDLESS_ROW = Buffer.from([0x44, 0x40, 0, 0, 0]);

const SMALL: AnswerLimits = { startupBytes: 10_000, bytes: 1_000_000, time: 60_000, messageTime: 600, rate: 10_000 };

/** What a query comes to with such a server. */
async function ask(options: FakeOptions, limits: Partial<AnswerLimits>): Promise<string> {
  const server = await startFakeServer({ answer: letIn, ...options });
  const socket = new Socket();
  const settings = { host: '127.0.0.1', port: server.port, user: 'u', password: 'p', stream: () => socket };
  const client = new pg.Client(settings);
  client.on('error', () => undefined);
  const watch = new AnswerWatch(client, socket, { ...SMALL, ...limits });
  try {
    await client.connect();
    return (await rejectionOf(watch.during(client.query('SELECT 1')))).message;
  } finally {
    await client.end();
    await server.stop();
  }
}

describe('a server that never comes to an end', () => {
  it('with bytes of one message, one after the other', async () => {
    const query = (socket: Parameters<typeof stream>[0]) => {
      socket.write(ENDLESS_ROW);
      stream(socket, Buffer.from('x'), 100);
    };
    expect(await ask({ query }, {})).toContain('did not end a message in 0.6 seconds');
  });

  it('with one message as fast as it can', async () => {
    const query = (socket: Parameters<typeof stream>[0]) => {
      socket.write(ENDLESS_ROW);
      stream(socket, Buffer.alloc(65_536));
    };
    expect(await ask({ query }, {})).toContain('more than 1000000 bytes');
  });

  it('with small messages as fast as it can', async () => {
    const query = (socket: Parameters<typeof stream>[0]) => {
      stream(socket, notice(1000));
    };
    expect(await ask({ query }, {})).toContain('more than 1000000 bytes');
  });

  it('with small messages now and then', async () => {
    const query = (socket: Parameters<typeof stream>[0]) => {
      stream(socket, notice(10), 100);
    };
    expect(await ask({ query }, { time: 700 })).toContain('no whole answer in 0.7 seconds');
  });

  it('with nothing at all', async () => {
    expect(await ask({}, { time: 700 })).toContain('no whole answer in 0.7 seconds');
  });

  it.each([
    ['dribbles', (socket: Parameters<typeof stream>[0]) => { stream(socket, Buffer.from('N'), 100); }], // prettier-ignore
    ['streams', (socket: Parameters<typeof stream>[0]) => { stream(socket, notice(1000)); }], // prettier-ignore
    ['is silent', () => undefined],
  ])('and %s before it is ready', async (_, answer) => {
    const server = await startFakeServer({ answer });
    try {
      const url = `postgres://u:p@127.0.0.1:${server.port}/clinic?sslmode=disable&connect_timeout=1`;
      // It answers for ever: only a limit ends this.
      expect((await rejectionOf(Connection.open({ url }))).code).toBe('CANNOT_REACH_DATABASE');
    } finally {
      await server.stop();
    }
  });
});

it('an answer that is slow, or large, or both, is waited for', async () => {
  const postgres = await startPostgres();
  const connection = await Connection.open(postgres);
  try {
    const [row] = await connection.rows("SELECT repeat('x', 40000000), pg_sleep(1.5)");
    expect(row?.[0]).toHaveLength(40_000_000);
  } finally {
    await connection.close();
    await postgres.stop();
  }
});
