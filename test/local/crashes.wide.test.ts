import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { CreateSecretCommand, GetSecretValueCommand, PutSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { builtPrograms } from '../support/built.ts';
import { clientOf } from './support/running-service.ts';
import { token } from './support/state-machine.ts';

/** How often the process is killed: `KILLS=25 npx jest test/local/crashes` is the deep run. */
const KILLS = Number(process.env['KILLS'] ?? 5);

let folder = '';
let programs = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'crashes-'));
  programs = await builtPrograms();
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function started(stateFile: string) {
  const child = spawn(process.execPath, [join(programs, 'local/local.mjs'), '--port', '0', '--state', stateFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as unknown[];
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(String(line))?.[0] ?? '';
  const kill = async (): Promise<void> => {
    const ended = once(child, 'close');
    child.kill('SIGKILL');
    await ended;
  };
  return { url, kill };
}

/** Puts values one after the other until a put is not acknowledged; adds what was acknowledged to the list. */
async function putUntilRefused(url: string, first: number, size: number, acknowledged: number[]): Promise<number> {
  const client = clientOf(url, 3);
  let next = first;
  try {
    for (; ; next += 1) {
      const SecretString = `${next}:${'x'.repeat(size)}`;
      await client.send(new PutSecretValueCommand({ SecretId: 'a', ClientRequestToken: token(next), SecretString }));
      acknowledged.push(next);
    }
  } catch {
    return next;
  } finally {
    client.destroy();
  }
}

/** The newest numbers that were acknowledged are all there: of older ones AWS may delete the version. */
async function expectNothingLost(url: string, acknowledged: readonly number[]): Promise<void> {
  const client = clientOf(url);
  for (const number of acknowledged.slice(-50)) {
    const { SecretString = '' } = await client.send(
      new GetSecretValueCommand({ SecretId: 'a', VersionId: token(number) }),
    );
    expect(SecretString.split(':')[0]).toBe(String(number));
  }
  client.destroy();
}

async function createIn(url: string): Promise<void> {
  const client = clientOf(url);
  await client.send(new CreateSecretCommand({ Name: 'a', ClientRequestToken: token(1), SecretString: '1:' }));
  client.destroy();
}

test(`after ${KILLS} kills in the middle of writes, every acknowledged value is there`, async () => {
  const stateFile = join(folder, 'state.json');
  const acknowledged: number[] = [1];
  let next = 2;
  for (let kill = 0; kill <= KILLS; kill += 1) {
    const service = await started(stateFile);
    if (kill === 0) await createIn(service.url);
    await expectNothingLost(service.url, acknowledged);
    if (kill === KILLS) break;
    const putting = putUntilRefused(service.url, next, 2000, acknowledged);
    const before = acknowledged.length;
    while (acknowledged.length < before + 3 + 7 * kill) await pause(1);
    await service.kill();
    // The put that got no answer may have been made: its token is not used for another value.
    next = (await putting) + 1;
  }
  expect(acknowledged.length).toBeGreaterThan(3 * KILLS);
  expect(readdirSync(folder).filter((name) => name.startsWith('state.json'))).toContain('state.json');
});

/** A small file system of its own; nothing where this user may not mount one. */
function smallDisk(): string | undefined {
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', disk], { stdio: 'ignore' });
    return disk;
  } catch {
    console.warn('This user may not mount a file system: the test of a full disk is left out.');
    return undefined;
  }
}

test('on a full disk a put is refused, its retries too, and what was acknowledged before survives a kill', async () => {
  const disk = smallDisk();
  if (disk === undefined) return;
  try {
    const stateFile = join(disk, 'state.json');
    const acknowledged: number[] = [1];
    const service = await started(stateFile);
    await createIn(service.url);
    const refused = await putUntilRefused(service.url, 2, 20_000, acknowledged);
    expect(acknowledged.length).toBeGreaterThan(2);
    // The SDK has tried three times by now, and none was acknowledged; another process would not see the value either.
    const client = clientOf(service.url);
    const read = new GetSecretValueCommand({ SecretId: 'a', VersionId: token(refused) });
    await expect(client.send(read)).rejects.toThrow();
    client.destroy();
    await service.kill();
    const again = await started(stateFile);
    await expectNothingLost(again.url, acknowledged);
    await again.kill();
  } finally {
    execFileSync('umount', [disk]);
  }
});
