import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '../../docs/adr');
const PAGES = readdirSync(FOLDER).sort();

test('each decision has a number of its own, and its heading says it', () => {
  const numbers = PAGES.map((name) => Number(name.slice(0, 4)));
  expect(new Set(numbers).size).toBe(PAGES.length);
  const headings = PAGES.map((name) => readFileSync(join(FOLDER, name), 'utf8').split('.', 1)[0]);
  expect(headings).toEqual(numbers.map((number) => `# ${number}`));
});

test('a decision is a page at most', () => {
  const lengths = PAGES.map((name) => ({ name, lines: readFileSync(join(FOLDER, name), 'utf8').split('\n').length }));
  expect(lengths.filter(({ lines }) => lines > 61)).toEqual([]);
});
