import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
