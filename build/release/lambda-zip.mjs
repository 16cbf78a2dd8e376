import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zipSync } from 'fflate';

/** The first moment that a zip can name. It has no time zone, and a local date gives the same bytes in each. */
const MTIME = new Date(1980, 0, 1);
const UNIX = 3;
const READABLE = 0o100644 << 16;

/**
 * @param {string} folder what Lambda gets.
 * @returns {Promise<Uint8Array>} the same bytes for the same files.
 */
export async function zipOf(folder) {
  const names = (await readdir(folder)).sort();
  const files = await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))]));
  return zipSync(Object.fromEntries(files), { level: 9, mtime: MTIME, os: UNIX, attrs: READABLE >>> 0 });
}
