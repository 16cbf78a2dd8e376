import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Certified } from './certificates.ts';

/** The code of a request for TLS, where a startup message has its version. */
const SSL_REQUEST = 80_877_103;
const PASSWORD_MESSAGE = 0x70;
const QUERY_MESSAGE = 0x51;

/** Something that listens where a database should, and keeps what it is told. */
export interface FakeServer {
  readonly port: number;
  /** All that came, as one text. */
  readonly received: () => string;
  readonly stop: () => Promise<void>;
}

/** What a fake server does; by default it has no TLS, and closes once it has the password. */
export interface FakeOptions {
  readonly tls?: Certified;
  /** What it says to the password. */
  readonly answer?: (socket: Duplex) => void;
  /** What it says to a query without parameters. */
  readonly query?: (socket: Duplex) => void;
}

/** The password is right, and a query may come: AuthenticationOk, BackendKeyData, ReadyForQuery. */
export function letIn(socket: Duplex): void {
  socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]));
  socket.write(Buffer.from([0x4b, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1]));
  socket.write(Buffer.from([0x5a, 0, 0, 0, 5, 0x49]));
}

/** Writes the same again and again, as fast as it is read or once every so many milliseconds, until it is closed. */
export function stream(socket: Duplex, packet: Buffer, pause = 0): void {
  if (socket.destroyed) return;
  const again = () => {
    stream(socket, packet, pause);
  };
  if (socket.write(packet)) setTimeout(again, pause);
  else socket.once('drain', again);
}

/** A server that asks everyone for the password in clear text. */
export async function startFakeServer({
  tls,
  answer = (socket) => socket.end(),
  query = () => undefined,
}: FakeOptions = {}): Promise<FakeServer> {
  const packets: Buffer[] = [];
  const sockets = new Set<Socket>();
  const converse = (socket: Duplex) => {
    socket.on('error', () => undefined);
    socket.on('data', (packet: Buffer) => {
      packets.push(packet);
      if (packet[0] === PASSWORD_MESSAGE) answer(socket);
      else if (packet[0] === QUERY_MESSAGE) query(socket);
      // AuthenticationCleartextPassword.
      else if (packet[0] === 0) socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
    });
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (packet) => {
      if (packet.length !== 8 || packet.readInt32BE(4) !== SSL_REQUEST) {
        converse(socket);
        socket.emit('data', packet);
      } else if (tls === undefined) {
        socket.write('N');
        converse(socket);
      } else {
        socket.write('S');
        converse(new TLSSocket(socket, { isServer: true, ...tls }));
      }
    });
  });
  server.listen(0);
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    received: () => Buffer.concat(packets).toString('latin1'),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
