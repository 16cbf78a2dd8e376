import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { SQL_AS_TEXT } from './sql-text.mjs';

/**
 * Builds a program of this project's that runs outside Jest and is thrown away after it. In a folder of its own within
 * node_modules, so that it finds its packages.
 *
 * @param {string} name what the folder's name begins with.
 * @param {string} source the program's source.
 * @param {Record<string, string>} others sources of what is built beside it, by name.
 * @returns {Promise<{ folder: string, file: string }>} the folder, for the caller to remove, and the program in it.
 */
export async function buildProgram(name, source, others = {}) {
  const folder = await mkdtemp(join(process.cwd(), 'node_modules', `.${name}-`));
  try {
    await build({
      entryPoints: { ...others, program: source },
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      loader: SQL_AS_TEXT,
      packages: 'external',
      logLevel: 'warning',
    });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  return { folder, file: join(folder, 'program.mjs') };
}
