import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LOG_EVENTS } from '../../src/secret/log-events.ts';
import { commandLines, jsonLines } from './support/command-face.ts';
import { exportedNames } from './support/exported-names.ts';

/*
 * What applications, scripts, alarms and runbooks rely on. `public-face.json` holds it as it was when it was first
 * written down. A line may be added to it, as soon as the product has more; a line that goes breaks someone's program.
 */

type Part = 'exports' | 'columns' | 'commands' | 'json' | 'logEvents';

const COLUMNS = ['drizzle', 'kysely', 'prisma', 'typeorm'];
const columnModule = (name: string) => `src/columns/${name}.ts`;
const exportsOf = exportedNames(['src/index.ts', ...COLUMNS.map(columnModule)]);

const FACE: Readonly<Record<Part, () => readonly string[] | Promise<readonly string[]>>> = {
  exports: () => exportsOf('src/index.ts'),
  columns: () => COLUMNS.flatMap((name) => exportsOf(columnModule(name)).map((line) => `${name}: ${line}`)),
  commands: commandLines,
  json: jsonLines,
  logEvents: () => Object.keys(LOG_EVENTS).sort(),
};

test.each(Object.entries(FACE))('nothing that others rely on has gone or changed: %s', async (part, today) => {
  const text = await readFile(join(__dirname, 'public-face.json'), 'utf8');
  const before = (JSON.parse(text) as Readonly<Record<string, readonly string[]>>)[part] ?? [];
  expect(before.length).toBeGreaterThan(10);
  const now = new Set(await today());
  expect(before.filter((line) => !now.has(line))).toEqual([]);
});
