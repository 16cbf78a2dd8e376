import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const MODULE = join(__dirname, '../../build/source-stamp.mjs');

/** In a process of its own: it is a plain module, as the build is. */
async function stampOf(folder: string): Promise<string> {
  const program = `import(${JSON.stringify(MODULE)}).then(async (m) => console.log(await m.sourceStamp(process.argv[1])))`;
  return (await promisify(execFile)(process.execPath, ['-e', program, folder])).stdout;
}

test('the stamp of the sources changes when one is changed, added or removed, and else not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stamp-'));
  const source = (name: string) => join(folder, 'src', name);
  try {
    await mkdir(join(folder, 'src', 'inner'), { recursive: true });
    await writeFile(source('inner/a.ts'), 'one');
    const stamps = [await stampOf(folder)];
    expect(await stampOf(folder)).toBe(stamps[0]);
    await writeFile(join(folder, 'README.md'), 'no source');
    expect(await stampOf(folder)).toBe(stamps[0]);
    await utimes(source('inner/a.ts'), 1, 1);
    stamps.push(await stampOf(folder));
    await writeFile(source('b.ts'), '');
    stamps.push(await stampOf(folder));
    await rm(source('inner/a.ts'));
    stamps.push(await stampOf(folder));
    expect(new Set(stamps).size).toBe(4);
  } finally {
    await rm(folder, { recursive: true });
  }
});
