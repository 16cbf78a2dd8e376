import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';

/** The address of the host in Docker's default network, unless its settings say otherwise ("Bridge network driver"). */
const DEFAULT_BRIDGE = '172.17.0.1';

/**
 * The address of this machine in Docker's default network: on Linux, where the engine runs on the machine itself.
 *
 * @returns nothing on machines without such an address, as with Docker Desktop, which keeps its network in a virtual machine.
 */
export async function bridgeAddress(): Promise<string | undefined> {
  const named = networkInterfaces()['docker0']?.find(({ family }) => family === 'IPv4')?.address;
  // Node leaves an interface out while no container is attached to it; the address is there all the same.
  return named ?? ((await isOfThisMachine(DEFAULT_BRIDGE)) ? DEFAULT_BRIDGE : undefined);
}

/**
 * Where to listen so that containers get in and other machines do not: on Docker's own network where it is, otherwise on
 * the loopback address, to which Docker Desktop forwards.
 */
export function hostForContainers(bridge: string | undefined): string {
  return bridge ?? '127.0.0.1';
}

/** The address under which a container finds a server that listens on `host` and `port` of this machine. */
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
