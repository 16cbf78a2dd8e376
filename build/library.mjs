import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { build } from 'esbuild';
import { buildLambda } from './lambda.mjs';
import { writeMetafile } from './metafile.mjs';
import { buildTool } from './tool.mjs';

/*
 * Builds the library that applications import: `esm` has a file for each module, so that bundlers leave out what is not
 * used; `cjs` is one file for `require`, and one for the tests of others. Each has its own types, since a type belongs to
 * one of the two worlds. `lambda` is what `testing` rotates with.
 */
const { out } = parseArgs({ options: { out: { type: 'string', default: join('dist', 'library') } } }).values;
const { peerDependencies } = JSON.parse(await readFile('package.json', 'utf8'));
const esm = join(out, 'esm');
const cjs = join(out, 'cjs');
const lambda = join(out, 'lambda');

await rm(out, { recursive: true, force: true });
await mkdir(cjs, { recursive: true });
// Without its checks, which `npm run types` makes, the compiler takes two thirds of the time.
const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
try {
  await promisify(execFile)(process.execPath, [compiler, '-p', 'tsconfig.library.json', '--outDir', esm]);
} catch (error) {
  console.error(error.stdout);
  process.exit(1);
}
// TypeScript rewrites './x.ts' in what runs, and leaves it in the types, where older compilers refuse it.
for (const name of await readdir(esm, { recursive: true })) {
  if (!name.endsWith('.d.ts')) continue;
  const types = await readFile(join(esm, name), 'utf8');
  await writeFile(join(esm, name), types.replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'"));
}
await cp(esm, cjs, { recursive: true, filter: (path) => !path.endsWith('.js') });
const common = {
  outdir: cjs,
  bundle: true,
  // All others are built in: a project that installs this package gets the SDK, and brings the peers itself.
  external: ['@aws-sdk/*', ...Object.keys(peerDependencies)],
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  // Jest refuses import() in CommonJS. A require in its place is as lazy, and bundlers follow it.
  supported: { 'dynamic-import': false },
  metafile: true,
  logLevel: 'warning',
};
const bundles = [await build({ ...common, entryPoints: ['src/index.ts'] })];
bundles.push(
  await build({
    ...common,
    outdir: join(cjs, 'columns'),
    entryPoints: ['drizzle', 'kysely', 'prisma', 'typeorm'].map((name) => `src/columns/${name}.ts`),
  }),
);
bundles.push(
  await build({
    ...common,
    entryPoints: ['src/testing.ts'],
    define: { 'import.meta.url': 'thisFile' },
    banner: { js: "const thisFile = require('node:url').pathToFileURL(__filename).href;" },
  }),
);
// The proxy's library is CommonJS, which an ES module can hold only as a file of its own.
const proxies = join(esm, 'keyring', 'source');
bundles.push(
  await build({
    ...common,
    outdir: proxies,
    outExtension: { '.js': '.cjs' },
    entryPoints: ['src/keyring/source/proxy-agents.ts'],
  }),
);
await writeFile(join(proxies, 'proxy-agents.js'), "export { proxyAgents } from './proxy-agents.cjs';\n");
const metafiles = bundles.map(({ metafile }) => metafile);
metafiles.push(await buildTool(lambda, { 'lambda-runner': 'src/local/lambda/lambda-runner.mjs' }));
metafiles.push(await buildLambda(lambda));
await writeMetafile(out, metafiles);
// Beneath this package a .js file is an ES module unless its own folder says otherwise.
await writeFile(join(cjs, 'package.json'), '{ "type": "commonjs", "sideEffects": false }\n');
