import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Everything that a person wrote and a reader may follow: code with its comments and messages, and pages. */
const WRITTEN = execFileSync('git', ['ls-files'], { encoding: 'utf8' })
  .split('\n')
  .filter((path) => /\.(ts|mjs|cjs|py|sql|md|ya?ml|tf)$/.test(path) && existsSync(path))
  .map((path) => ({ path, text: readFileSync(path, 'utf8') }));

const PAGES = WRITTEN.filter(({ path }) => path.endsWith('.md'));

/** `path:line: match` for each match that is not known. */
function unknown(pattern: RegExp, isKnown: (match: RegExpMatchArray, path: string) => boolean): readonly string[] {
  return WRITTEN.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)]
      .filter((match) => !isKnown(match, path))
      .map((match) => `${path}:${text.slice(0, match.index).split('\n').length}: ${match[0]}`),
  );
}

test('every file that a text names by its path exists', () => {
  const named =
    /(?<![\w/.-])(?:docs|src|test|bench|build|template|infra|examples)\/[\w./-]+\.(?:md|ts|mjs|py|ya?ml)\b/g;
  // A word of the path may stand for any, as NAME does in a usage line.
  expect(
    unknown(
      named,
      ([name], path) => existsSync(name) || existsSync(join(dirname(path), name)) || /[A-Z]{4}/.test(name),
    ),
  ).toEqual([]);
});

test('a numbered section is one of a standard, whose name stands before it', () => {
  const section = /.{0,40}\s(?:\*\s)?sections? \d/gi;
  expect(unknown(section, ([text]) => /NIST SP|RFC \d/.test(text))).toEqual([]);
});

test('every decision that a text names by its number exists', () => {
  const numbers = new Set(PAGES.map(({ path }) => /^docs\/adr\/(\d{4})/.exec(path)?.[1]).filter(Boolean));
  expect(unknown(/\bADR (\d+)\b/g, ([, number = '']) => numbers.has(number.padStart(4, '0')))).toEqual([]);
});

test('every npm script that a text names exists', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Readonly<Record<string, string>> };
  expect(unknown(/\bnpm run ([a-z][\w:-]*\w)/g, ([, name = '']) => Object.hasOwn(scripts, name))).toEqual([]);
});

test('a page that speaks of the guide links to it', () => {
  const speaking = PAGES.filter(({ path, text }) => {
    const prose = text.replace(/```.*?```/gs, '');
    return path !== 'docs/guide.md' && /\b(?:setup|the) guide\b/i.test(prose) && !text.includes('guide.md');
  });
  expect(speaking.map(({ path }) => path)).toEqual([]);
});
