import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SRC = join(__dirname, '../../src');

const entries = readdirSync(SRC, { recursive: true, withFileTypes: true });
const files = entries.filter((entry) => entry.isFile());
const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').length - 1;

test('no file of src is long, and half of them fit on two screens', () => {
  const lengths = files.map(({ parentPath, name }) => ({ name, lines: linesOf(join(parentPath, name)) }));
  expect(lengths.filter(({ lines }) => lines > 400)).toEqual([]);
  const sorted = lengths.map(({ lines }) => lines).sort((one, other) => one - other);
  expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(100);
});

test('no folder of src holds more files than one look takes in', () => {
  const counts = new Map<string, number>();
  for (const { parentPath } of files) {
    const folder = parentPath.slice(SRC.length + 1);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  expect([...counts].filter(([, count]) => count > 20)).toEqual([]);
});
