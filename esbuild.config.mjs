import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { buildLambda } from './build/lambda.mjs';

const { out } = parseArgs({ options: { out: { type: 'string', default: 'dist' } } }).values;

// Not the whole folder: build/library.mjs has its own beside these.
for (const folder of ['lambda', 'local', 'story']) await rm(join(out, folder), { recursive: true, force: true });
const [metafile] = await Promise.all([
  buildLambda(join(out, 'lambda')),
  buildTool('local', { local: 'src/local/main.ts', 'lambda-runner': 'src/local/lambda-runner.mjs' }),
  buildTool('story', { story: 'src/story/main.ts' }),
]);
await writeFile(join(out, 'lambda.meta.json'), JSON.stringify(metafile));

/** What runs on a developer's machine: one file each, with its libraries, easy to read in a stack trace. */
async function buildTool(folder, entryPoints) {
  await build({
    entryPoints,
    outdir: join(out, folder),
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    // Libraries in CommonJS ask for Node's own modules with `require`, which an ES module has to make for itself.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
    },
    legalComments: 'none',
    logLevel: 'warning',
  });
}
