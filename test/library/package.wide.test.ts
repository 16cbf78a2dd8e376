import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { installPackage } from '../support/built.ts';

const run = promisify(execFile);
const ROOT = process.cwd();

let project: string;
let installed: string;

/** The real package, laid where npm would install it, in a project that has nothing else. */
beforeAll(async () => {
  project = mkdtempSync(join(tmpdir(), 'package-'));
  installed = await installPackage(project);
  // As npm init -y writes it.
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "version": "1.0.0" }\n');
});
afterAll(() => {
  rmSync(project, { recursive: true });
});

test('its command starts without any other package', async () => {
  const { bin } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    bin: Record<string, string>;
  };
  const command = join(installed, bin['pazpaz-keys'] ?? '');
  const { stdout, stderr } = await run(process.execPath, [command, '--help'], {
    cwd: project,
    env: { PATH: process.env['PATH'] },
  });
  expect(stdout).toContain('Usage: pazpaz-keys');
  expect(stderr).toBe('');
});

describe('with the one package that it depends on', () => {
  beforeAll(() => {
    for (const name of ['@aws-sdk', '@smithy']) {
      symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name));
    }
  });

  test.each([
    ['an ES module', 'notes.mjs', (page: string) => page],
    [
      'CommonJS',
      'notes.cjs',
      (page: string) => `${page.replace(/^import (.*) from (.*);/, 'const $1 = require($2);\n(async () => {')}})();`,
    ],
  ])('the first lines of its page work as %s', async (_kind, file, programOf) => {
    const page = readFileSync(join(installed, 'docs', 'use.md'), 'utf8');
    writeFileSync(join(project, file), programOf(/```js\n(.*?)```/s.exec(page)?.[1] ?? ''));
    const commands = /```bash\n(.*?)```/s.exec(page)?.[1]?.replace('notes.mjs', file) ?? '';
    const { stdout } = await run('bash', ['-ec', commands], { cwd: project, env: { PATH: process.env['PATH'] } });
    expect(stdout).toBe('49 Patient has diabetes\n');
  });
});

test('the libraries of its column types are those of the project, and not copies', () => {
  const { peerDependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    peerDependencies: Record<string, string>;
  };
  const copies = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.[cm]?js$/.test(path))
    .flatMap((path) => {
      const code = readFileSync(join(installed, 'dist', path), 'utf8');
      return Object.keys(peerDependencies)
        .filter((peer) => new RegExp(`^// .*node_modules/${peer}/`, 'm').test(code))
        .map((peer) => `${path}: ${peer}`);
    });
  expect(copies).toEqual([]);
});

test("a Drizzle column made in CommonJS is one of the project's own Drizzle", async () => {
  for (const name of ['drizzle-orm', '@aws-sdk', '@smithy'])
    if (!existsSync(join(project, 'node_modules', name)))
      symlinkSync(join(ROOT, 'node_modules', name), join(project, 'node_modules', name));
  const program = `
    const { PgCustomColumn, pgTable } = require('drizzle-orm/pg-core');
    const { encryptedText } = require('pazpaz-key-rotation/drizzle');
    const { notes } = pgTable('patients', { notes: encryptedText('notes', { ring: () => undefined, context: 'notes' }) });
    console.log(notes instanceof PgCustomColumn);
  `;
  const { stdout } = await run(process.execPath, ['--eval', program], { cwd: project });
  expect(stdout).toBe('true\n');
});

test('it takes at most 5 MB', () => {
  const sizes = readdirSync(installed, { recursive: true, encoding: 'utf8' })
    .map((path) => statSync(join(installed, path)))
    .map((stats) => (stats.isFile() ? stats.size : 0));
  expect(sizes.reduce((all, size) => all + size)).toBeLessThan(5_000_000);
});

test('whatever its pages link to is in it', () => {
  const pages = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md'));
  expect(pages).toEqual(expect.arrayContaining(['README.md', join('docs', 'use.md'), join('docs', 'format.md')]));
  const missing = pages.flatMap((page) =>
    [...readFileSync(join(installed, page), 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)]
      .map(([, path = '']) => join(dirname(page), path))
      .filter((path) => !existsSync(join(installed, path)))
      .map((path) => `${page}: ${path}`),
  );
  expect(missing).toEqual([]);
});

test('it holds no source, test or key beside what is listed', () => {
  expect(readdirSync(installed).sort()).toEqual([
    'CONTRIBUTING.md',
    'Dockerfile',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'bin',
    'dist',
    'docs',
    'events',
    'examples',
    'infra',
    'package.json',
    'python',
    'vectors',
  ]);
  expect(readdirSync(join(installed, 'dist')).sort()).toEqual(['cli', 'library']);
});
