import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const filesOf = (root: string) =>
  readdirSync(join(__dirname, '../..', root), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
const linesOf = (path: string) => readFileSync(path, 'utf8').split('\n').length - 1;

test('no file of src is long, and half of them fit on two screens', () => {
  const lengths = filesOf('src').map(({ parentPath, name }) => ({ name, lines: linesOf(join(parentPath, name)) }));
  expect(lengths.filter(({ lines }) => lines > 400)).toEqual([]);
  const sorted = lengths.map(({ lines }) => lines).sort((one, other) => one - other);
  expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(100);
});

test.each(['src', 'test'])('no folder of %s holds more files than one look takes in', (root) => {
  const counts = new Map<string, number>();
  for (const { parentPath } of filesOf(root)) {
    counts.set(parentPath, (counts.get(parentPath) ?? 0) + 1);
  }
  expect([...counts].filter(([, count]) => count > 20)).toEqual([]);
});
