import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { installPackage } from '../support/built.ts';
import { startPostgres, type Postgres } from '../postgres/support/postgres.ts';

const run = promisify(execFile);
const ROOT = process.cwd();
const PAGE = readFileSync('docs/columns.md', 'utf8');
const LIBRARIES = ['drizzle-orm', 'kysely', 'typeorm', 'reflect-metadata', 'pg', '@types', '@aws-sdk', '@smithy'];

let postgres: Postgres;
/** A new user's project, with the package and the libraries in it. */
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'columns-'));
  await installPackage(folder, [...LIBRARIES, 'undici-types', 'pg-types', 'pg-protocol']);
  for (const [, code = '', name = ''] of PAGE.matchAll(/```ts\n(\/\/ (\S+\.ts)\n.*?)```/gs))
    writeFileSync(join(folder, name), code);
  writeFileSync(join(folder, 'package.json'), '{ "name": "project", "type": "module" }\n');
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres.stop();
  rmSync(folder, { recursive: true });
});

const sectionOf = (title: string) => PAGE.split(/^## /m).find((section) => section.startsWith(title)) ?? '';

test.each(['Drizzle', 'Kysely', 'TypeORM'])(
  'the program for %s runs as it is on the page, through a rotation',
  async (title) => {
    const [, table = ''] = /```sql\n(.*?)```/s.exec(sectionOf(title)) ?? [];
    await postgres.client.query(`DROP TABLE IF EXISTS patients; ${table}`);
    const name = title.toLowerCase();
    await build({
      entryPoints: [join(folder, `${name}.ts`)],
      outfile: join(folder, `${name}.mjs`),
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
    });
    const outputOf = async (env: Record<string, string>) => {
      const common = { PATH: process.env['PATH'], DATABASE_URL: postgres.url, ENVIRONMENT: 'local' };
      return (await run(process.execPath, [`${name}.mjs`], { cwd: folder, env: { ...common, ...env } })).stdout;
    };
    const keys = { ENCRYPTION_MASTER_KEY: Buffer.alloc(32, 7).toString('base64') };
    const line = "Patient has diabetes [ 'pollen' ]\n";
    expect(PAGE).toContain(`\`${line.trim()}\``);
    expect(await outputOf(keys)).toBe(line);
    expect(await outputOf({ ...keys, ENCRYPTION_MASTER_KEY_V2: Buffer.alloc(32, 8).toString('base64') })).toBe(
      line + line,
    );
    const { rows } = await postgres.client.query<{ key: number; row: string }>(
      'SELECT get_byte(notes, 0) AS key, patients::text AS row FROM patients ORDER BY key',
    );
    expect(rows.map(({ key }) => key)).toEqual([0, 2]);
    for (const { row } of rows) expect(row).not.toMatch(/diabetes|pollen/);
  },
);

test('its programs compile in a strict project', async () => {
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  const others = ['--experimentalDecorators', '--allowImportingTsExtensions', '--skipLibCheck'];
  const files = ['drizzle.ts', 'kysely.ts', 'typeorm.ts'];
  const { stdout } = await run(process.execPath, [compiler, ...options, ...others, ...files], { cwd: folder }).catch(
    (error: unknown) => error as { stdout: string },
  );
  expect(stdout).toBe('');
});

test('Prisma is tried by npm run test:compat: its page names what that program uses', () => {
  const program = readFileSync('test/compat/prisma.mjs', 'utf8');
  for (const [name] of sectionOf('Prisma').matchAll(/\bencrypted[A-Z]\w+|\$extends|PrismaPg/g))
    expect(program).toContain(name);
});
