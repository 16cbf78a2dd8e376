import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { madeOnce } from './made-once.ts';

const run = promisify(execFile);
const ROOT = process.cwd();

/** What `npm run build` makes in `dist`: `lambda`, `local`, `story` and `cli`. */
export function builtPrograms(): Promise<string> {
  const inputs = ['src', 'build', 'esbuild.config.mjs', 'package.json', 'package-lock.json', 'tsconfig.json'];
  return madeOnce('programs', inputs, async (folder) => {
    await run(process.execPath, ['esbuild.config.mjs', '--out', folder], { cwd: ROOT });
  });
}

/** What `npm pack` in a fresh clone needs; nothing that was built before. */
const CLONED = [
  'CONTRIBUTING.md',
  'Dockerfile',
  'LICENSE',
  'README.md',
  'SECURITY.md',
  'bin',
  'build',
  'docs',
  'events',
  'examples',
  'infra',
  'package.json',
  'python/README.md',
  'src',
  'tsconfig.json',
  'tsconfig.library.json',
  'vectors',
];

/** The package as `npm pack` makes it in a fresh clone, building what it lacks: `package.tgz`, and what is in it, `package`. */
export function packedPackage(): Promise<string> {
  return madeOnce('package', [...CLONED, 'package-lock.json'], async (folder) => {
    const clone = mkdtempSync(join(tmpdir(), 'clone-'));
    try {
      for (const path of CLONED) cpSync(join(ROOT, path), join(clone, path), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
      const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: clone });
      const packed = join(folder, 'package.tgz');
      renameSync(join(folder, stdout.trim().split('\n').at(-1) ?? ''), packed);
      // npm puts all files of a package in a folder of that name.
      await run('tar', ['-xzf', packed, '-C', folder]);
    } finally {
      rmSync(clone, { recursive: true, force: true });
    }
  });
}

/**
 * Lays the package where npm would install it in the project `folder`. `others`: packages and scopes that the project has
 * too, of which the package finds no more than these.
 */
export async function installPackage(folder: string, others: readonly string[] = []): Promise<string> {
  const installed = join(folder, 'node_modules', 'pazpaz-key-rotation');
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  cpSync(join(await packedPackage(), 'package'), installed, { recursive: true });
  for (const name of others) symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  return installed;
}
