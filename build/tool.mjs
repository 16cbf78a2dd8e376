import { build } from 'esbuild';
import { SQL_AS_TEXT } from './sql-text.mjs';

/** The operator's commands, and the thread of a census with several connections, by the names of what is built. */
export const CLI = { 'pazpaz-keys': 'src/cli/main.ts', 'tally-thread': 'src/postgres/tally-thread-program.ts' };

/**
 * Builds a program that people run on their own machine: one file for each entry, with its libraries, easy to read in a stack trace.
 *
 * @param {string} outdir where to.
 * @param {Record<string, string>} entryPoints sources by the name of what is built, without its ending `.mjs`.
 * @returns {Promise<import('esbuild').Metafile>} what went into it.
 */
export async function buildTool(outdir, entryPoints) {
  const { metafile } = await build({
    entryPoints,
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    // The SDK's ES modules can be shaken; of its CommonJS files all would stay.
    mainFields: ['module', 'main'],
    // Libraries in CommonJS ask for Node's own modules with `require`, which an ES module has to make for itself.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
    },
    loader: SQL_AS_TEXT,
    legalComments: 'none',
    // Names and lines stay.
    minifySyntax: true,
    metafile: true,
    logLevel: 'warning',
  });
  return metafile;
}
