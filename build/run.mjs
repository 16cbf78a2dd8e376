import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sourceStamp } from './source-stamp.mjs';

/*
 * Runs a built program, `node build/run.mjs story --years 3`, and builds first if a source has changed since the last run.
 * `--help` runs what is built: no one who asks how to use a program waits for a build.
 */
const [name = ''] = process.argv.splice(2, 1);
const program = join('dist', name, `${name}.mjs`);
const stampFile = join('dist', 'sources.txt');

const isHelp = process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h');
if (!(isHelp && existsSync(program))) {
  const stamp = await sourceStamp('.');
  if (!existsSync(program) || stamp !== (await readFile(stampFile, 'utf8').catch(() => ''))) {
    await build();
    await writeFile(stampFile, stamp);
  }
}
await import(pathToFileURL(program).href);

/** The build reads its own arguments: it must not see the program's. */
async function build() {
  const given = process.argv.splice(2);
  await import('../esbuild.config.mjs');
  process.argv.push(...given);
}
