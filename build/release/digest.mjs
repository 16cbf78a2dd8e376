import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** @param {Uint8Array | string} bytes */
export function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * @param {string} folder
 * @returns {Promise<{ name: string, digest: string }[]>} every file in it, in the order of the alphabet.
 */
export async function filesIn(folder) {
  const names = (await readdir(folder)).sort();
  return Promise.all(names.map(async (name) => ({ name, digest: sha256(await readFile(join(folder, name))) })));
}
