import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { columnsOf } from '../../../src/cli/rows/column-options.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'columns-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function refusalOf(content: string): Promise<string> {
  const file = join(folder, 'columns.json');
  await writeFile(file, content);
  return columnsOf({ columns: file }).then(
    () => 'not refused',
    (error: unknown) => String(error),
  );
}

test('a file of columns that is a key by mistake is never quoted', async () => {
  const key = 'Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=';
  const said = await refusalOf(key);
  expect(said).toContain('is not valid JSON');
  for (let at = 0; at + 4 <= key.length; at++) expect(said).not.toContain(key.slice(at, at + 4));
});

test('a member that may be part of a key is not quoted, and a misspelt one is', async () => {
  const entry = { table: 'patients', column: 'notes' };
  expect(await refusalOf(JSON.stringify([{ ...entry, Zm9vYmFyYmF6: 1 }]))).not.toContain('Zm9v');
  expect(await refusalOf(JSON.stringify([{ ...entry, contxt: '' }]))).toContain("'contxt'");
});

test('a byte order mark is named', async () => {
  expect(await refusalOf('\uFEFF[]')).toContain('byte order mark');
});

test('a file that does not exist is named', async () => {
  await expect(columnsOf({ columns: join(folder, 'none.json') })).rejects.toThrow('none.json cannot be read');
});
