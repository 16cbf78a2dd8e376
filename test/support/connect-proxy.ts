import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** An HTTP proxy that tunnels (`CONNECT`), and notes who asked for what. */
export interface ConnectProxy {
  /** Host and port. */
  readonly host: string;
  /** Where callers wanted to go, `host:port` each, refused ones too. */
  readonly targets: readonly string[];
  readonly authorizations: readonly (string | undefined)[];
}

const open = new Map<Server, Set<Socket>>();

/** Ends every proxy of `startProxy`; for `afterEach`. */
export function stopProxies(): void {
  for (const [server, sockets] of open) {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
  open.clear();
}

/**
 * Starts a proxy that leads every caller to one port of this machine, whatever host was asked for. `answer`: the status
 * for a target, 200 by default; 0 never answers.
 */
export async function startProxy(port: number, answer: (target: string) => number = () => 200): Promise<ConnectProxy> {
  const targets: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_, response) => response.writeHead(400).end());
  server.on('connection', (socket) => sockets.add(socket));
  server.on('connect', (request, caller: Socket) => {
    targets.push(request.url ?? '');
    authorizations.push(request.headers['proxy-authorization']);
    const status = answer(request.url ?? '');
    if (status === 0) return;
    if (status !== 200) {
      caller.end(`HTTP/1.1 ${status} no\r\n\r\n`);
      return;
    }
    const service = connect(port, '127.0.0.1', () => {
      caller.write('HTTP/1.1 200 Connection established\r\n\r\n');
      caller.pipe(service).pipe(caller);
    });
    sockets.add(service);
    for (const socket of [caller, service]) socket.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.set(server, sockets);
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, targets, authorizations };
}
