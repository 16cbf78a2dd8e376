import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { createApp, type Notes } from '../../examples/express/app.ts';
import { closeRings, RingWorld } from '../keyring/support/ring-world.ts';

const servers: Server[] = [];
let folder: string | undefined;
afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true });
});
afterEach(() => {
  closeRings();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  jest.restoreAllMocks();
});

async function listen(world: RingWorld, notes: Notes): Promise<string> {
  const server = createApp(await world.open(), notes).listen(0);
  servers.push(server);
  await once(server, 'listening');
  return urlOf(JSON.stringify(server.address()));
}

function urlOf(address: string): string {
  return `http://127.0.0.1:${/"port":(\d+)/.exec(address)?.[1] ?? ''}/patients/7/notes`;
}

test('it stores a note encrypted, and gives it back', async () => {
  const world = await RingWorld.withKeys(1);
  const notes: Notes = new Map();
  const url = await listen(world, notes);
  await fetch(url, { method: 'PUT', body: 'Patient has diabetes' });
  expect(notes.get('7')).toHaveLength(49);
  expect(await (await fetch(url)).text()).toBe('Patient has diabetes');
  const health: unknown = await (await fetch(new URL('/health', url))).json();
  expect(health).toMatchObject({ canEncrypt: true, currentNumber: 1 });
  const usage: unknown = await (await fetch(new URL('/usage', url))).json();
  expect(usage).toMatchObject({ isFallenBack: false, keys: [{ keyNumber: 1, encryptions: 1 }] });
});

test('a key that cannot be had now is 503, a note that was tampered with is 500, and neither says more', async () => {
  const log = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  const world = await RingWorld.withKeys(1);
  const notes: Notes = new Map();
  const url = await listen(world, notes);
  await world.rotate();
  notes.set('7', (await world.open()).encryptField('note', 'patients:7:notes'));
  world.cutNetwork();
  const unavailable = await fetch(url);
  expect([unavailable.status, unavailable.headers.get('retry-after'), await unavailable.text()]).toEqual([
    503,
    '5',
    '',
  ]);
  world.mendNetwork();
  await world.clock.advance(3000);
  // The first request after an outage starts a new call to AWS, and does not wait for it.
  await fetch(url);
  expect((await fetch(url)).status).toBe(200);
  notes.set('8', notes.get('7') ?? new Uint8Array());
  const tampered = await fetch(url.replace('/7/', '/8/'));
  expect([tampered.status, await tampered.text()]).toEqual([500, 'Internal Server Error']);
  expect(eventsOf(log)).toEqual(['note_unreadable', 'note_unreadable', 'note_unreadable']);
});

test.each([
  ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'note=1'],
  ['JSON', { 'content-type': 'application/json' }, '{}'],
  ['nothing', {}, undefined],
])('a note that comes as %s is not stored: 415', async (_what, headers, body) => {
  const world = await RingWorld.withKeys(1);
  const notes: Notes = new Map();
  const url = await listen(world, notes);
  const answer = await fetch(url, { method: 'PUT', headers, ...(body === undefined ? {} : { body }) });
  expect(answer.status).toBe(415);
  expect(notes.size).toBe(0);
});

test('a note that cannot be encrypted now is 503, and logged as not stored', async () => {
  const log = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  const world = await RingWorld.withKeys(1);
  const notes: Notes = new Map();
  const url = await listen(world, notes);
  world.cutNetwork();
  await world.clock.advance(24 * 3_600_000);
  const answer = await fetch(url, { method: 'PUT', body: 'Patient has diabetes' });
  expect([answer.status, await answer.text()]).toEqual([503, '']);
  expect(notes.size).toBe(0);
  expect(eventsOf(log)).toEqual(['note_not_stored']);
});

function eventsOf(log: jest.SpyInstance<void, [message?: unknown, ...rest: unknown[]]>): readonly unknown[] {
  return log.mock.calls.map(([line]) => (JSON.parse(String(line)) as { event?: unknown }).event);
}

/** The example's process, which says at its end what has become of its ring. */
const WATCHED_SERVER = `
  import { isKeyRotationError, KeyRing } from 'pazpaz-key-rotation';
  const open = KeyRing.open.bind(KeyRing);
  KeyRing.open = async (...settings) => {
    const ring = await open(...settings);
    process.on('exit', () => {
      try {
        ring.encryptField('note');
        console.log('open');
      } catch (error) {
        console.log(isKeyRotationError(error) ? error.code : 'another error');
      }
    });
    return ring;
  };
  await import('./server.ts');
`;

test('the process opens its ring at the start, and closes it on SIGTERM', async () => {
  folder = mkdtempSync(join(tmpdir(), 'express-'));
  const script = join(folder, 'server.mjs');
  await build({
    stdin: { contents: WATCHED_SERVER, resolveDir: 'examples/express', loader: 'ts' },
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  });
  const child = spawn(process.execPath, [script], {
    env: {
      PATH: process.env['PATH'],
      PORT: '0',
      ENVIRONMENT: 'local',
      ENCRYPTION_MASTER_KEY: 'rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY=',
    },
  });
  const printed: string[] = [];
  child.stdout.on('data', (data: Buffer) => printed.push(data.toString()));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const url = urlOf(line.toString());
  await fetch(url, { method: 'PUT', body: 'note', headers: { connection: 'close' } });
  expect(await (await fetch(url, { headers: { connection: 'close' } })).text()).toBe('note');
  child.kill('SIGTERM');
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect([code, signal]).toEqual([0, null]);
  expect(printed.join('').trim().split('\n').at(-1)).toBe('RING_CLOSED');
});
