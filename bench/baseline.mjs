import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildProgram } from '../build/program.mjs';

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
 * Builds the baseline out of the history of this repository.
 *
 * @returns {Promise<{ folder: string, file: string }>} the folder, for the caller to remove, and the program in it.
 */
export async function buildBaseline() {
  const source = await mkdtemp(join(tmpdir(), 'baseline-'));
  try {
    const archive = `git archive ${BASELINE} src bench | tar -x -C '${source}'`;
    await promisify(execFile)('bash', ['-o', 'pipefail', '-c', archive]);
    await writeFile(join(source, 'entry.ts'), ENTRY);
    return await buildProgram('baseline', join(source, 'entry.ts'));
  } catch (error) {
    throw new Error(`The baseline ${BASELINE} needs this repository's whole history: ${error.message}`, {
      cause: error,
    });
  } finally {
    await rm(source, { recursive: true, force: true });
  }
}
