import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

/** The code of a request for TLS, where a startup message has its version. */
const SSL_REQUEST = 80_877_103;

/** Something that listens where a database should, and keeps what it is told. */
export interface FakeServer {
  readonly port: number;
  /** All that came, as one text. */
  readonly received: () => string;
  readonly stop: () => Promise<void>;
}

/** A server without TLS that asks everyone for the password in clear text. `answer`: what it says to the password. */
export async function startFakeServer(
  answer: (socket: Socket) => void = (socket) => socket.end(),
): Promise<FakeServer> {
  const packets: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (packet) => {
      packets.push(packet);
      if (packet[0] === 0x70) answer(socket);
      else if (packet.length === 8 && packet.readInt32BE(4) === SSL_REQUEST) socket.write('N');
      // AuthenticationCleartextPassword.
      else if (packet[0] === 0) socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]));
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
