import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { builtPrograms } from '../../support/built.ts';

let folder = '';
let programs = '';
let local: ChildProcess | undefined;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'with-postgres-'));
  programs = await builtPrograms();
});
afterAll(async () => {
  if (local?.exitCode === null) {
    const exited = once(local, 'exit');
    local.kill('SIGTERM');
    await exited;
  }
  await rm(folder, { recursive: true });
});

/** The variables of the `export` lines that the service prints before it names its table. */
async function variables(): Promise<Record<string, string>> {
  const arguments_ = [join(programs, 'local/local.mjs'), '--port', '0', '--with-postgres'];
  const child = spawn(process.execPath, arguments_, { stdio: ['ignore', 'pipe', 'ignore'] });
  local = child;
  const found: Record<string, string> = {};
  for await (const line of createInterface({ input: child.stdout })) {
    for (const [, name = '', value = ''] of line.matchAll(/(?<=^export .*?)([A-Z_]+)=(\S+)/g)) found[name] = value;
    if (line.startsWith('The table patients')) return found;
  }
  throw new Error('The local service ended.');
}

test('npm run local -- --with-postgres has rows that census, reencrypt and retire work on as pasted', async () => {
  const given = await variables();
  const columns = join(folder, 'columns.json');
  await writeFile(columns, JSON.stringify([{ table: 'patients', column: 'notes', context: 'patients:{id}:notes' }]));
  const keys = async (...words: readonly string[]) => {
    const { PATH = '' } = process.env;
    const program = [join(programs, 'cli/pazpaz-keys.mjs'), ...words];
    return (await promisify(execFile)(process.execPath, program, { env: { PATH, ...given } })).stdout;
  };
  const columnsAre = ['--columns', columns];
  const census = await keys('census', ...columnsAre);
  expect(census).toMatch(/key 1 +100\n/);
  expect(census).toMatch(/key 2, current +100\n/);
  expect(census).toContain('300 rows');
  await keys('rotate', '--wait');
  expect(await keys('reencrypt', ...columnsAre)).toContain('300 rows re-encrypted under key 3');
  await fetch(`${given['AWS_ENDPOINT_URL_SECRETS_MANAGER'] ?? ''}/_local/clock`, {
    method: 'POST',
    body: '{"advance":"25h"}',
  });
  expect(await keys('retire', '1', ...columnsAre, '--yes')).toContain('Retired: key 1');
});
