import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rename, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from './error-message.ts';

export class FileLocked extends Error {
  constructor() {
    super('another process uses it');
    this.name = 'FileLocked';
  }
}

/** Unix allows 104 bytes for a socket's path on some systems. */
const LONGEST_PATH = 100;

/**
 * Locks a file by listening on a socket next to it. The operating system ends that with the process, so a socket
 * without an answer is old and is replaced. `path`: the real path. Returns a function that releases the lock. Throws
 * `FileLocked`, or Node's error if the folder takes no socket.
 */
export async function lockFile(path: string): Promise<() => Promise<void>> {
  const address = addressFor(path);
  try {
    return await holdLock(address);
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error;
  }
  await removeOldSocket(address);
  try {
    return await holdLock(address);
  } catch (error) {
    throw codeOf(error) === 'EADDRINUSE' ? new FileLocked() : error;
  }
}

async function holdLock(address: string): Promise<() => Promise<void>> {
  const server = createServer((socket) => socket.destroy());
  server.listen(address);
  await once(server, 'listening');
  server.unref();
  return () => closed(server);
}

/** Moves the socket away before it looks again, so that a process that replaced it meanwhile keeps its own. */
async function removeOldSocket(address: string): Promise<void> {
  if (await isAnswered(address)) throw new FileLocked();
  const aside = `${address}.${randomUUID().slice(0, 8)}`;
  try {
    await rename(address, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  if (await isAnswered(aside)) {
    await rename(aside, address);
    throw new FileLocked();
  }
  await rm(aside, { force: true });
}

function isAnswered(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => {
      resolve(false);
    });
  });
}

function addressFor(path: string): string {
  const name = createHash('sha256').update(path).digest('hex').slice(0, 32);
  if (process.platform === 'win32') return `\\\\.\\pipe\\pazpaz-local-${name}`;
  const beside = `${path}.lock`;
  return Buffer.byteLength(beside) <= LONGEST_PATH ? beside : join(tmpdir(), `pazpaz-local-${name}.lock`);
}

async function closed(server: Server): Promise<void> {
  const end = once(server, 'close');
  server.close();
  await end;
}
