import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** What the build reads: other files may change without one. */
const SOURCES = ['src', 'build', 'esbuild.config.mjs', 'package.json', 'package-lock.json', 'tsconfig.json'];

/**
 * A text that changes when a source is changed, added or removed. It looks at names, sizes and times, not at contents.
 *
 * @param {string} root the folder of the package.
 * @returns {Promise<string>}
 */
export async function sourceStamp(root) {
  const hash = createHash('sha256').update(process.version);
  for (const path of await filesIn(root)) {
    const { size, mtimeMs } = await stat(path);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return `${hash.digest('hex')}\n`;
}

async function filesIn(root) {
  const files = [];
  for (const source of SOURCES) {
    const path = join(root, source);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) files.push(path);
    if (!found?.isDirectory()) continue;
    for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) files.push(join(entry.parentPath, entry.name));
    }
  }
  return files.sort();
}
