import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = process.cwd();
const CACHE = join(ROOT, 'node_modules', '.cache', 'made-for-tests');
/** What has not been made again for so long is of sources that are no longer there. */
const TOO_OLD = 24 * 3_600_000;

/**
 * A folder that several suites read and none writes to. The first one that asks for it makes it; it is made again when
 * one of the `inputs` has changed, which are files, or folders with all that is in them, below the package's own. Two
 * workers that ask at one moment both make it, and one of the two is kept.
 */
export async function madeOnce(
  name: string,
  inputs: readonly string[],
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(CACHE, `${name}-${stampOf(inputs)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  removeOld();
  const unfinished = mkdtempSync(join(CACHE, 'unfinished-'));
  try {
    await make(unfinished);
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** By the contents: a time stamp would be another one in each clone. */
function stampOf(inputs: readonly string[]): string {
  const hash = createHash('sha256').update(process.version);
  for (const input of inputs) {
    const path = resolve(ROOT, input);
    const isFolder = statSync(path).isDirectory();
    const entries = isFolder ? readdirSync(path, { recursive: true, withFileTypes: true }) : [];
    const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    for (const file of isFolder ? files.sort() : [path]) {
      const content = readFileSync(file);
      hash.update(`${file.slice(ROOT.length)} ${content.length}\n`).update(content);
    }
  }
  return hash.digest('hex').slice(0, 16);
}

function removeOld(): void {
  for (const name of readdirSync(CACHE)) {
    const { mtimeMs } = statSync(join(CACHE, name), { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
    if (Date.now() - mtimeMs > TOO_OLD) rmSync(join(CACHE, name), { recursive: true, force: true });
  }
}
