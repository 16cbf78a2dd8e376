import { execFile } from 'node:child_process';
import { createCipheriv, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startPostgres } from '../postgres/support/postgres.ts';
import { installPackage } from '../support/built.ts';

const run = promisify(execFile);
const PAGE = readFileSync('docs/from-create-cipheriv.md', 'utf8');
const KEY = randomBytes(32);
const ENVIRONMENT = {
  PATH: process.env['PATH'],
  ENVIRONMENT: 'local',
  ENCRYPTION_KEY: KEY.toString('base64'),
  ENCRYPTION_MASTER_KEY: KEY.toString('base64'),
};

/** A project with the package, and the programs of the page as they are. */
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cipheriv-'));
  await installPackage(folder, ['@aws-sdk', '@smithy', 'pg', 'pg-types', 'pg-protocol']);
  for (const [, code = '', name = ''] of PAGE.matchAll(/```js\n(\/\/ (\S+\.mjs)\n.*?)```/gs))
    writeFileSync(join(folder, name), code);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

test('the module with the ring reads the rows of the module before it, by the commands of the page', async () => {
  const [, commands = ''] = /```bash\n(.*?)```/s.exec(PAGE) ?? [];
  const { stdout } = await run('bash', ['-ec', commands], { cwd: folder, env: { PATH: process.env['PATH'] } });
  expect(stdout).toBe('an old row\na new row\n');
});

test('rows in another form are carried over by the loop, each to its own context', async () => {
  const postgres = await startPostgres();
  try {
    await postgres.client.query('CREATE TABLE patients (id serial PRIMARY KEY, notes text)');
    for (const note of ['first', 'second', null]) {
      const iv = randomBytes(16);
      const cipher = createCipheriv('aes-256-cbc', KEY, iv);
      const cell =
        note === null
          ? null
          : `${iv.toString('hex')}:${Buffer.concat([cipher.update(note), cipher.final()]).toString('hex')}`;
      await postgres.client.query('INSERT INTO patients (notes) VALUES ($1)', [cell]);
    }
    const env = { ...ENVIRONMENT, DATABASE_URL: postgres.url };
    await run(process.execPath, ['carry-over.mjs'], { cwd: folder, env });
    const { rows } = await postgres.client.query<{ id: number; notes: string | null }>(
      'SELECT id, notes FROM patients ORDER BY id',
    );
    expect(rows[2]?.notes).toBeNull();
    const reader = `
      import { close, decrypt } from './after.mjs';
      for (const { id, notes } of ${JSON.stringify(rows.slice(0, 2))}) console.log(await decrypt(notes, \`patients:\${id}:notes\`));
      close();
    `;
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', reader], { cwd: folder, env });
    expect(stdout).toBe('first\nsecond\n');
  } finally {
    await postgres.stop();
  }
});

test.each([
  ['bytea', 0],
  ['text', 1],
] as const)('a tag in front is moved to the end by the statement for a %s column', async (type, place) => {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', KEY, iv);
  const encrypted = Buffer.concat([cipher.update('a note of more than twelve bytes'), cipher.final()]);
  const row = Buffer.concat([iv, cipher.getAuthTag(), encrypted]);
  const statement = [...PAGE.matchAll(/```sql\n(.*?)```/gs)][place]?.[1] ?? '';
  const postgres = await startPostgres();
  try {
    await postgres.client.query(`CREATE TABLE patients (id serial PRIMARY KEY, notes ${type})`);
    const cell = type === 'bytea' ? row : row.toString('base64');
    await postgres.client.query('INSERT INTO patients (notes) VALUES ($1), (NULL)', [cell]);
    await postgres.client.query(statement);
    const { rows } = await postgres.client.query<{ cell: string | null }>(
      `SELECT ${type === 'bytea' ? "encode(notes, 'base64')" : 'notes'} AS cell FROM patients ORDER BY id`,
    );
    expect(rows[1]?.cell).toBeNull();
    const reader = `
      import { close, decrypt } from './after.mjs';
      console.log(await decrypt(${JSON.stringify(rows[0]?.cell)}, 'patients:1:notes'));
      close();
    `;
    const options = { cwd: folder, env: ENVIRONMENT };
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', reader], options);
    expect(stdout).toBe('a note of more than twelve bytes\n');
  } finally {
    await postgres.stop();
  }
});

test.each(['hex', 'base64url'] as const)(
  'a cell in %s becomes base64 by its statement, whatever its length',
  async (form) => {
    const cells = Array.from({ length: 8 }, (_, index) => Buffer.alloc(28 + index, 0xfb));
    const statements = ([...PAGE.matchAll(/```sql\n(.*?)```/gs)][2]?.[1] ?? '').trim().split('\n');
    const postgres = await startPostgres();
    try {
      await postgres.client.query('CREATE TABLE patients (id serial PRIMARY KEY, notes text)');
      for (const cell of [...cells.map((bytes) => bytes.toString(form)), null])
        await postgres.client.query('INSERT INTO patients (notes) VALUES ($1)', [cell]);
      await postgres.client.query(statements[form === 'hex' ? 0 : 1] ?? '');
      const { rows } = await postgres.client.query<{ notes: string | null }>('SELECT notes FROM patients ORDER BY id');
      expect(rows.map(({ notes }) => notes)).toEqual([...cells.map((bytes) => bytes.toString('base64')), null]);
    } finally {
      await postgres.stop();
    }
  },
);

test('each failure of the page has the code that its table explains', async () => {
  const { stdout } = await run(process.execPath, ['failures.mjs'], { cwd: folder, env: ENVIRONMENT });
  const codes = [...PAGE.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, code]) => code);
  expect(stdout.trimEnd().split('\n')).toEqual(codes.slice(0, 6));
});

test('it has no program that these tests do not run', () => {
  expect([...PAGE.matchAll(/^```(\w+)$/gm)].map(([, language]) => language).sort()).toEqual(
    ['bash', 'sql', 'sql', 'sql', ...Array<string>(6).fill('js')].sort(),
  );
});
