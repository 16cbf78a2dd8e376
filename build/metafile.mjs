import { writeFile } from 'node:fs/promises';

/**
 * Writes what went into a folder beside it, for `npm run release`, which lists it.
 *
 * @param {string} folder what was built.
 * @param {readonly import('esbuild').Metafile[]} metafiles of each bundle in it.
 */
export async function writeMetafile(folder, metafiles) {
  await writeFile(`${folder}.meta.json`, JSON.stringify(merged(metafiles)));
}

/**
 * @param {readonly import('esbuild').Metafile[]} metafiles
 * @returns {import('esbuild').Metafile} of all their bundles.
 */
export function merged(metafiles) {
  const all = (part) => Object.assign({}, ...metafiles.map((metafile) => metafile[part]));
  return { inputs: all('inputs'), outputs: all('outputs') };
}
