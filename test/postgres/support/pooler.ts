import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** A process number of its own making: what a pooler announces to its clients. */
const ANNOUNCED = 4_242_424;

/** BackendKeyData of a server, with the length of a key of four bytes. */
const KEY_DATA = Buffer.from([0x4b, 0, 0, 0, 12]);

/** Passes everything to a server but the number of its process, as PgBouncer does. */
export async function startPooler(serverPort: number): Promise<{ readonly port: number; readonly stop: () => void }> {
  const sockets = new Set<{ destroy: () => void }>();
  const pooler = createServer((client) => {
    const server = connect(serverPort, '127.0.0.1');
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.pipe(server);
    server.on('data', (packet) => {
      const at = packet.indexOf(KEY_DATA);
      if (at >= 0) packet.writeInt32BE(ANNOUNCED, at + KEY_DATA.length);
      client.write(packet);
    });
    server.on('close', () => client.destroy());
    client.on('close', () => server.destroy());
  });
  pooler.listen(0, '127.0.0.1');
  await once(pooler, 'listening');
  const address = pooler.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    stop: () => {
      for (const socket of sockets) socket.destroy();
      pooler.close();
    },
  };
}
