import { writeFile } from 'node:fs/promises';

/**
 * Writes what went into a folder beside it, for `npm run release`, which lists it.
 *
 * @param {string} folder what was built.
 * @param {readonly import('esbuild').Metafile[]} metafiles of each bundle in it.
 */
export async function writeMetafile(folder, metafiles) {
  const all = (part) => Object.assign({}, ...metafiles.map((metafile) => metafile[part]));
  await writeFile(`${folder}.meta.json`, JSON.stringify({ inputs: all('inputs'), outputs: all('outputs') }));
}
