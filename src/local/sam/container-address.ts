import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';

/** The host in Docker's default network ("Bridge network driver"). */
const DEFAULT_BRIDGE = '172.17.0.1';

/** `undefined` with Docker Desktop, which keeps Docker's default network in a virtual machine. */
export async function bridgeAddress(): Promise<string | undefined> {
  const named = networkInterfaces()['docker0']?.find(({ family }) => family === 'IPv4')?.address;
  // Node leaves an interface out while no container is attached to it.
  return named ?? ((await isOfThisMachine(DEFAULT_BRIDGE)) ? DEFAULT_BRIDGE : undefined);
}

/** An address for containers and not for other machines: Docker's network, or loopback with Docker Desktop. */
export function hostForContainers(bridge: string | undefined): string {
  return bridge ?? '127.0.0.1';
}

export function urlForContainers(host: string, port: number, bridge: string | undefined): string {
  const isNoAddressOfItsOwn = host === '0.0.0.0' || host === '127.0.0.1' || host === 'localhost';
  return `http://${isNoAddressOfItsOwn ? (bridge ?? 'host.docker.internal') : host}:${port}`;
}

async function isOfThisMachine(address: string): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(0, address), 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
