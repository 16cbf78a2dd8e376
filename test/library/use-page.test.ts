import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { APPLICATION_EVENTS } from '../../src/keyring/application-log.ts';
import { installPackage } from '../support/built.ts';

const run = promisify(execFile);
const PAGE = readFileSync('docs/use.md', 'utf8');

/** A new user's folder, with the package in it. */
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'use-'));
  await installPackage(folder, ['@aws-sdk', '@smithy']);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function blocks(language: string): readonly string[] {
  return [...PAGE.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, code]) => code ?? '');
}

test('the page starts with the stack of its reader, and ten lines that work when pasted', async () => {
  const [program = ''] = blocks('js');
  const [commands = ''] = blocks('bash');
  expect(PAGE.indexOf(program)).toBeLessThan(500);
  expect(PAGE.slice(0, PAGE.indexOf(program))).toMatch(/Drizzle.*Kysely.*Prisma.*TypeORM.*SQLAlchemy.*createCipheriv/s);
  expect((program + commands).trimEnd().split('\n').length).toBeLessThanOrEqual(10);
  // A key in the program would go into production with it.
  expect(program).not.toMatch(/ENVIRONMENT|ENCRYPTION_MASTER_KEY/);
  writeFileSync(join(folder, 'notes.mjs'), program);
  const { stdout } = await run('bash', ['-ec', commands], { cwd: folder, env: { PATH: process.env['PATH'] } });
  expect(stdout).toBe('49 Patient has diabetes\n');
  expect(PAGE).toContain(`prints \`${stdout.trim()}\``);
});

test('the README shows the same lines', () => {
  const readme = readFileSync('README.md', 'utf8');
  for (const language of ['js', 'bash']) expect(readme).toContain(blocks(language)[0]);
});

test('the page shows how to fetch every key and to tell the health, in ten lines that run', async () => {
  const [, program = ''] = blocks('js');
  expect(program.trimEnd().split('\n').length - 2).toBeLessThanOrEqual(10);
  writeFileSync(join(folder, 'health.mjs'), program);
  const env = { ENVIRONMENT: 'local', ENCRYPTION_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') };
  const { stdout } = await run(process.execPath, ['health.mjs'], { cwd: folder, env });
  expect(stdout).toBe('Patient has diabetes\ntrue 0 undefined undefined\n');
});

test('its two programs for tests run as they are', async () => {
  const programs = blocks('ts').filter((code) => /forTest|startSecretsManager/.test(code));
  expect(programs).toHaveLength(2);
  for (const [index, program] of programs.entries()) {
    const file = `testing-${index}.mjs`;
    writeFileSync(join(folder, file), program);
    const { stdout } = await run(process.execPath, [file], { cwd: folder, env: { PATH: process.env['PATH'] } });
    expect(stdout).toBe('note\n');
  }
});

test('the page lists every event of the log, with its level', () => {
  const listed = [...PAGE.matchAll(/^\| `([a-z_]+)` +\| (INFO|WARNING|ERROR) +\|/gm)].map(([, event, level]) => [
    event,
    level,
  ]);
  expect(Object.fromEntries(listed)).toEqual(
    Object.fromEntries(Object.entries(APPLICATION_EVENTS).map(([event, { level }]) => [event, level])),
  );
});

test('what the page links to exists', () => {
  for (const [, path = ''] of PAGE.matchAll(/\]\((\.\.?\/[^)#]+)(?:#[^)]*)?\)/g)) {
    expect(readFileSync(join('docs', path), 'utf8')).not.toBe('');
  }
});
