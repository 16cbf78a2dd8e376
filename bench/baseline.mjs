import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';

/** The state of this repository that speed is compared with: census and re-encryption before they read tables themselves. */
const BASELINE = 'e6f8aa1';

/** The baseline's folders in the words of `bench/reencrypt-work.ts`. */
const ENTRY = `
import { text } from 'node:stream/consumers';
import { census } from './src/data/census.ts';
import { RingKeys } from './src/data/ring-keys.ts';
import { SPEC, twoKeys } from './bench/reencrypt-table.ts';
export { work } from './bench/reencrypt-work.ts';
export async function count() {
  const { url, keys } = JSON.parse(await text(process.stdin));
  const ring = await RingKeys.open(twoKeys(keys), 'bench');
  const start = performance.now();
  const [counted] = await census({ url }, [SPEC], ring);
  process.stdout.write(JSON.stringify({ numbered: counted.numbered, seconds: (performance.now() - start) / 1000 }));
}
`;

/**
 * Builds the baseline out of the history of this repository. In node_modules, so that it finds its packages.
 *
 * @returns {Promise<{ folder: string, file: string }>} the folder, for the caller to remove, and the program in it.
 */
export async function buildBaseline() {
  const folder = await mkdtemp(join(process.cwd(), 'node_modules', '.baseline-'));
  const source = join(folder, 'source');
  try {
    await mkdir(source);
    const archive = `git archive ${BASELINE} src bench | tar -x -C '${source}'`;
    await promisify(execFile)('bash', ['-o', 'pipefail', '-c', archive]);
    await writeFile(join(source, 'entry.ts'), ENTRY);
    await build({
      entryPoints: { program: join(source, 'entry.ts') },
      outdir: folder,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      packages: 'external',
      logLevel: 'error',
    });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw new Error(`The baseline ${BASELINE} needs this repository's whole history: ${error.message}`, {
      cause: error,
    });
  }
  return { folder, file: join(folder, 'program.mjs') };
}
