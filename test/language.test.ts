import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where comments, messages and pages are read. */
const READ = ['src', 'bin', 'build', 'examples', 'python/src', 'python/examples', 'template.yaml', 'template'];
const PAGES = ['README.md', 'docs', 'SECURITY.md', 'CONTRIBUTING.md', 'python/README.md', 'events/README.md'];

/** Turns of phrase that a reader stumbles over, each with what to write instead. */
const PHRASES: Readonly<Record<string, string>> = {
  'whoever|whosoever': 'name who it is',
  'somebody|nobody': 'anyone, another process, no one; better: name who it is',
  anew: 'again',
  'once more': 'again',
  'go(?:es)? on with': 'continue, keep using',
  '(?:is|are|has|have|had) none(?! of)': 'is not a, has no',
  '(?:at|in) hand': 'cached, given',
  'let(?:s|ting)? go of': 'release',
  'let(?:s)? be': 'leave',
  'give(?:s)? (?:it |them )?up': 'stop',
  'in the way of': 'block',
  'told (?:by|apart)': 'identified by, distinguished',
  'br(?:oke|eaks?|oken) off': 'stopped, was interrupted',
  'left over': 'unfinished, remaining',
  'mend(?:s|ed|ing)?': 'fix',
  'in a word': 'in short',
  'has AWS asked': 'calls AWS',
};

/** A doc comment that needs the one before it: an editor shows each alone. */
const UNREADABLE_ALONE = /(?:\/\*\*|""")\s*\**\s*(?:The same|Likewise)\b/;

function filesIn(folders: readonly string[], pattern: RegExp): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '--', ...folders], { encoding: 'utf8' });
  return listed.split('\n').filter((path) => pattern.test(path) && existsSync(path));
}

const SOURCES = filesIn(READ, /\.(ts|mjs|py|sql|ya?ml)$/);
const TEXTS = [...SOURCES, ...filesIn(PAGES, /\.md$/)];

/** A file's text. A page's screens are left out, but for their line ends: the source of what they show is read itself. */
function textOf(path: string): string {
  const text = readFileSync(path, 'utf8');
  if (!path.endsWith('.md')) return text;
  return text.replace(/^```text\n.*?^```$/gms, (screen) => screen.replace(/[^\n]/g, ''));
}

/** `path:line: what was found` for every match, also where a comment breaks the phrase over two lines. */
function found(path: string, pattern: string): readonly string[] {
  const spaced = pattern.replaceAll(' ', String.raw`(?:\s|\n\s*(?:\*|//|#|>)?\s*)+`);
  const text = textOf(path);
  const matches = [...text.matchAll(new RegExp(String.raw`(?<![\w-])(?:${spaced})(?![\w-])`, 'gi'))];
  // Python's None is no word of a sentence.
  return matches
    .filter(([match]) => !match.endsWith('None'))
    .map((match) => {
      const line = text.slice(0, match.index).split('\n').length;
      return `${path}:${line}: ${match[0].replace(/\s+/g, ' ')}`;
    });
}

test.each(Object.entries(PHRASES))('no text says "%s": %s', (phrase) => {
  expect(TEXTS.flatMap((path) => found(path, phrase))).toEqual([]);
});

test('no doc comment needs the one before it to be understood', () => {
  const wrong = [...SOURCES, ...filesIn(['test', 'bench', 'python/tests'], /\.(ts|mjs|py)$/)].filter(
    (path) => UNREADABLE_ALONE.exec(textOf(path)) !== null,
  );
  expect(wrong).toEqual([]);
});

test('no comment and no test names a finding by a code that this repository does not explain', () => {
  const coded = filesIn(['src', 'test', 'bench', 'build', 'python'], /\.(ts|mjs|py)$/).filter((path) =>
    /(?:['"`#] *|\/\*\* |\/\/ )[A-Z]\d{1,2}: /.test(textOf(path).replaceAll(/\bC\d\d: /g, '')),
  );
  expect(coded).toEqual([]);
});

test('docs/cases.md has every case that code, tests and pages name', () => {
  const listed = new Set(
    textOf('docs/cases.md')
      .match(/^\| C\d\d\b/gm)
      ?.map((cell) => cell.slice(2)),
  );
  const naming = [...TEXTS, ...filesIn(['test', 'bench', 'python/tests'], /\.(ts|mjs|py)$/)];
  const missing = naming.flatMap((path) =>
    (textOf(path).match(/\bC\d\d\b/g) ?? []).filter((code) => !listed.has(code)).map((code) => `${path}: ${code}`),
  );
  expect(missing).toEqual([]);
});

describe.each(filesIn(PAGES, /\.md$/))('%s', (page) => {
  const text = textOf(page).replace(/```.*?```/gs, '');

  test('links only to what exists, headings included', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)/g)];
    const broken = links.filter(([, path = '', heading]) => {
      const target = path === '' ? page : join(dirname(page), path);
      return !existsSync(target) || (heading !== undefined && !headingsOf(target).has(heading));
    });
    expect(broken.map(([link]) => link)).toEqual([]);
  });

  test('names only files that exist', () => {
    const named = [...text.matchAll(/`((?:src|test|bench|build|bin|docs|vectors|examples|events|python)\/[\w./-]+)`/g)];
    const missing = named.map(([, path = '']) => path).filter((path) => !exists(path, dirname(page)));
    expect(missing).toEqual([]);
  });
});

/** In the repository or beside the page; events are written by a command, and a clone has no such file. */
function exists(path: string, folder: string): boolean {
  return existsSync(path) || existsSync(join(folder, path)) || /^events\/.*\.json$/.test(path);
}

function headingsOf(page: string): ReadonlySet<string> {
  const headings = textOf(page).match(/^#+ .*$/gm) ?? [];
  return new Set(
    headings.map((heading) =>
      heading
        .replace(/^#+ /, '')
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}
