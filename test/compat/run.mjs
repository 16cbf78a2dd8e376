// Tries the packed library where people run it, each tool as npm brings it: npm run test:compat. It installs the tools into
// a folder of its own, which takes a few minutes, and prints a table. Ends with 1 if one of them fails.
import { execFile, spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { build } from 'esbuild';
import { buildProgram } from '../../build/program.mjs';
import { NEXT_FILES, NEXT_PACKAGES, nextCommands } from './next.mjs';

const run = promisify(execFile);
const { only } = parseArgs({ options: { only: { type: 'string' } } }).values;

const BODY = `
  const ring = await KeyRing.open(undefined, { logger: () => undefined });
  await ring.warm();
  const row = ring.encryptField('note', 'patients:7:notes');
  const text = await ring.decryptField(row, 'patients:7:notes');
  const again = ring.decryptFieldSync(row, 'patients:7:notes');
  ring.close();`;
const IMPORT = `import { KeyRing } from 'pazpaz-key-rotation';`;
const REQUIRE = `const { KeyRing } = require('pazpaz-key-rotation');`;
const PRINT = 'console.log(text, again);';
const FILES = {
  'program.mjs': `${IMPORT}${BODY}${PRINT}`,
  'program.cjs': `${REQUIRE}(async () => {${BODY}${PRINT}})();`,
  'program.mts': `${IMPORT}${BODY}${PRINT}`,
  'program.cts': `import { KeyRing } from 'pazpaz-key-rotation';async function main(): Promise<void> {${BODY}${PRINT}} void main();`,
  'jest.test.js': `${REQUIRE}test('it works', async () => {${BODY} expect([text, again]).toEqual(['note', 'note']);});`,
  'vitest.spec.mjs': `import { expect, test } from 'vitest';${IMPORT}test('it works', async () => {${BODY} expect([text, again]).toEqual(['note', 'note']);});`,
  'tsconfig.json':
    '{ "compilerOptions": { "module": "nodenext", "target": "es2022", "strict": true, "types": ["node"], "skipLibCheck": true } }',
  'package.json': '{ "name": "project", "version": "1.0.0", "private": true }',
};
/** The SDK's CommonJS parts need a `require`, which an ES module has only with this banner. */
const BANNER = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
const node = process.execPath;
const bin = (name) => join('node_modules', '.bin', name);

/** What is run for each tool, one after the other, and the package whose version counts. */
const TOOLS = {
  'Node, import': [undefined, [node, 'program.mjs']],
  'Node, require': [undefined, [node, 'program.cjs']],
  'Jest, CommonJS': ['jest', [node, bin('jest'), '--ci', '--testMatch', '**/jest.test.js']],
  Vitest: ['vitest', [node, bin('vitest'), 'run', 'vitest.spec.mjs']],
  'tsx, ES module': ['tsx', [node, bin('tsx'), 'program.mts']],
  'tsx, CommonJS': ['tsx', [node, bin('tsx'), 'program.cts']],
  'ts-node, CommonJS': ['ts-node', [node, bin('ts-node'), '--transpile-only', 'program.cts']],
  'esbuild, ES module': [
    'esbuild',
    [node, bin('esbuild'), 'program.mjs', ...esbuildTo('esm', 'bundled.mjs')],
    [node, 'bundled.mjs'],
  ],
  'esbuild, CommonJS': [
    'esbuild',
    [node, bin('esbuild'), 'program.cjs', ...esbuildTo('cjs', 'bundled.cjs')],
    [node, 'bundled.cjs'],
  ],
  webpack: [
    'webpack',
    [node, bin('webpack'), '--mode=production', '--target=node20', '--entry=./program.cjs', '-o', 'packed'],
    [node, join('packed', 'main.js')],
  ],
  Bun: ['bun', [join('node_modules', '@oven', `bun-${process.platform}-${process.arch}`, 'bin', 'bun'), 'program.mts']],
  Deno: [
    'deno',
    [join('node_modules', '@deno', denoPackage(), 'deno'), 'run', '-A', '--node-modules-dir=manual', 'program.mts'],
  ],
};
const PACKAGES = [
  'jest@30',
  'vitest',
  'tsx',
  'ts-node@10',
  'typescript@5',
  '@types/node@24',
  'esbuild',
  'webpack',
  'webpack-cli',
];

const folder = await mkdtemp(join(tmpdir(), 'compat-'));
try {
  process.exitCode = await main();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function main() {
  const { stdout } = await run('npm', ['pack', '--silent', '--pack-destination', folder]);
  const tarball = join(folder, stdout.trim().split('\n').at(-1));
  let isAllRight = true;
  const tell = (what, version, found) => {
    if (found !== undefined) isAllRight = false;
    console.log(`${what.padEnd(20)} ${version.padEnd(10)} ${found ?? 'works'}`);
  };
  const wanted = Object.entries(TOOLS).filter(([name]) => only === undefined || name.toLowerCase().includes(only));
  if (wanted.length > 0 || 'frozen next.js'.includes(only)) await tryTools(tarball, wanted, tell);
  if (only === undefined || 'prisma'.includes(only)) tell('Prisma', ...(await tryPrisma(tarball)));
  return isAllRight ? 0 : 1;
}

async function tryTools(tarball, wanted, tell) {
  const project = await projectWith('tools', FILES, [tarball, ...PACKAGES, 'bun', 'deno']);
  const { startSecretsManager } = await import(
    join(project, 'node_modules', 'pazpaz-key-rotation', 'dist', 'library', 'esm', 'testing.js')
  );
  const aws = await startSecretsManager();
  await aws.createKeyRing('app/key');
  const names = { ENVIRONMENT: 'staging', SECRETS_MANAGER_KEY_NAME: 'app/key' };
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...aws.environment, ...names };
  for (const [name, [packageName, ...commands]] of wanted)
    tell(name, await versionOf(project, packageName), await failureOf(project, env, commands));
  if (only === undefined || 'frozen'.includes(only))
    tell('Frozen process', await versionOf(project), await tryFrozen(project, env, aws));
  if (only === undefined || 'next.js'.includes(only)) {
    const next = await projectWith('next', NEXT_FILES, [tarball, ...NEXT_PACKAGES]);
    tell('Next.js', await versionOf(next, 'next'), await failureOf(next, env, await nextCommands(next)));
  }
  await aws.close();
}

/** Stops a process for longer than the ring's time to live, and rotates meanwhile. Its first request must work. */
async function tryFrozen(project, env, aws) {
  await copyFile(join(import.meta.dirname, 'frozen.mjs'), join(project, 'frozen.mjs'));
  const child = spawn(node, ['frozen.mjs'], { cwd: project, env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (request) => {
    if (request !== undefined) child.stdin.write(`${request}\n`);
    return (await lines.next()).value;
  };
  try {
    const answers = [await answer()];
    child.kill('SIGSTOP');
    await aws.rotate('app/key');
    await pause(3000);
    child.kill('SIGCONT');
    answers.push(await answer('one'));
    // The overdue refresh has begun with that request at the latest.
    await pause(2000);
    answers.push(await answer('two'));
    const found = answers.map((text) => text?.replace(/ [12]$/, '')).join();
    const isRight = found === 'open,note one,note two' && answers[2]?.endsWith(' 2');
    return isRight ? undefined : `FAILS: ${answers.join(', ')}`;
  } finally {
    child.kill('SIGKILL');
  }
}

/** Prisma's generator asks for an engine that only its migrations use: any program stands in where it cannot be fetched. */
async function tryPrisma(tarball) {
  const project = await projectWith(
    'prisma',
    {
      'package.json': '{ "name": "project", "version": "1.0.0", "private": true, "type": "module" }',
      'prisma.config.ts': `export default { schema: 'schema.prisma', datasource: { url: 'postgresql://localhost/none' } };`,
    },
    [tarball, 'prisma@7', '@prisma/client@7', '@prisma/adapter-pg@7', 'pg', 'typescript@5', '@types/node@24'],
  );
  const here = import.meta.dirname;
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: node };
  const typesFailure = await failureOf(project, env, await programsOfPage(project));
  if (typesFailure !== undefined) return [await versionOf(project, '@prisma/client'), typesFailure];
  for (const schema of ['schema.prisma', 'columns.prisma']) {
    await copyFile(join(here, schema), join(project, schema));
    await run(node, [bin('prisma'), 'generate', '--schema', schema], { cwd: project, env });
  }
  const options = { bundle: true, platform: 'node', packages: 'external', logLevel: 'error' };
  const generated = join(project, 'generated', 'client');
  await build({ entryPoints: [`${generated}.ts`], outfile: `${generated}.mjs`, format: 'esm', ...options });
  await writeFile(
    join(project, 'columns.ts'),
    "export { PrismaClient } from './columns-client/client.ts'; export { PrismaPg } from '@prisma/adapter-pg';",
  );
  await build({
    ...{ entryPoints: [join(project, 'columns.ts')], outfile: join(project, 'columns-client.cjs'), format: 'cjs' },
    // Jest, which runs the cases, refuses the client's own import() of its query compiler.
    ...{ supported: { 'dynamic-import': false }, ...options },
  });
  const program = await readFile(join(here, 'prisma.mjs'), 'utf8');
  await writeFile(join(project, 'prisma.mjs'), program.replace('client.ts', 'client.mjs'));
  const built = await buildProgram('compat', 'src/local/postgres/embedded-postgres.ts');
  const { startPostgres } = await import(built.file);
  const postgres = await startPostgres();
  const failure = await failureOf(project, process.env, [[node, 'prisma.mjs', postgres.url]]);
  await postgres.stop();
  // The cases of the other column types, too.
  const jest = [
    node,
    join('node_modules', 'jest', 'bin', 'jest.js'),
    '-i',
    '--testMatch',
    '**/compat/prisma-columns.ts',
  ];
  const casesFailure = await failureOf(process.cwd(), { ...process.env, PRISMA_PROJECT: project }, [jest]);
  await rm(built.folder, { recursive: true });
  return [await versionOf(project, '@prisma/client'), failure ?? casesFailure];
}

/** Writes the programs of the page about Prisma. The commands generate its client, and compile them in a strict project. */
async function programsOfPage(project) {
  const page = await readFile(join('docs', 'columns.md'), 'utf8');
  for (const [, code, name] of page.matchAll(/```ts\n(\/\/ (ring\.ts|prisma\.ts)\n.*?)```/gs))
    await writeFile(join(project, name), code);
  await writeFile(join(project, 'page.prisma'), /```prisma\n(.*?)```/s.exec(page)[1]);
  const compile = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--allowImportingTsExtensions',
  ];
  return [
    [node, bin('prisma'), 'generate', '--schema', 'page.prisma'],
    [node, bin('tsc'), ...compile, 'prisma.ts'],
  ];
}

async function projectWith(name, files, packages) {
  const project = join(folder, name);
  await mkdir(project);
  for (const [file, content] of Object.entries(files)) await writeFile(join(project, file), content);
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--engine-strict=false', ...packages], {
    cwd: project,
  });
  return project;
}

/** `undefined` if every command ended well; otherwise the last lines of the one that did not. */
async function failureOf(cwd, env, commands) {
  for (const [command, ...args] of commands) {
    try {
      await run(command, args, { cwd, env, timeout: 120_000 });
    } catch ({ stdout, stderr, message }) {
      return `FAILS: ${(stderr || stdout || message).trim().split('\n').slice(-8).join('\n  ')}`;
    }
  }
  return undefined;
}

async function versionOf(project, name) {
  if (name === undefined) return process.versions.node;
  return JSON.parse(await readFile(join(project, 'node_modules', name, 'package.json'), 'utf8')).version;
}

function esbuildTo(format, outfile) {
  const banner = format === 'esm' ? [`--banner:js=${BANNER}`] : [];
  return [...banner, '--bundle', '--platform=node', `--format=${format}`, `--outfile=${outfile}`, '--log-level=error'];
}

function denoPackage() {
  const libc = process.platform === 'linux' ? '-glibc' : '';
  return `${process.platform}-${process.arch}${libc}`;
}
