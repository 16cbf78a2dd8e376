import { fork } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import { buildSync } from 'esbuild';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pooledNonce } from '../../src/format/nonce.ts';

function hex(nonce: Uint8Array): string {
  return Buffer.from(nonce).toString('hex');
}

test('a hundred thousand nonces of 12 bytes are all different', () => {
  const nonces = new Set(Array.from({ length: 100_000 }, () => hex(pooledNonce())));
  expect(nonces.size).toBe(100_000);
  expect(new Set([...nonces].map((nonce) => nonce.length))).toEqual(new Set([24]));
});

describe('instances of the module', () => {
  let folder: string;
  let script: string;

  // Not while tests are collected: then no one would remove it where none of these runs.
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nonces-'));
    script = join(folder, 'nonces.cjs');
    buildSync({
      stdin: {
        contents: `
          import { pooledNonce } from './src/format/nonce.ts';
          import { parentPort } from 'node:worker_threads';
          const nonces = Array.from({ length: 5000 }, () => Buffer.from(pooledNonce()).toString('hex'));
          if (parentPort === null) process.send(nonces); else parentPort.postMessage(nonces);
        `,
        resolveDir: process.cwd(),
      },
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'cjs',
    });
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test('in worker threads, in child processes and here never give the same nonce', async () => {
    const here = Array.from({ length: 5000 }, () => hex(pooledNonce()));
    const others = await Promise.all([
      ...[1, 2, 3].map(() => messageOf(new Worker(script))),
      ...[1, 2, 3].map(() => messageOf(fork(script))),
    ]);
    const all = [...here, ...others.flat()];
    expect(all).toHaveLength(35_000);
    expect(new Set(all).size).toBe(35_000);
  });
});

function messageOf(instance: {
  once(event: 'message', listener: (message: string[]) => void): unknown;
  once(event: 'error', listener: (error: Error) => void): unknown;
}): Promise<string[]> {
  return new Promise((resolve, reject) => {
    instance.once('message', resolve);
    instance.once('error', reject);
  });
}
