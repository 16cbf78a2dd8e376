import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const ROOT = join(__dirname, '../..');
const CODES = read('src/format/error-code.ts');

function read(path: string): ts.SourceFile {
  return ts.createSourceFile(path, readFileSync(join(ROOT, path), 'utf8'), ts.ScriptTarget.Latest, true);
}

/** The codes in a type of `error-code.ts`, each with its doc comment. */
function codesOf(type: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const statement of CODES.statements) {
    if (!ts.isTypeAliasDeclaration(statement) || statement.name.text !== type) continue;
    for (const [, comment = '', code = ''] of statement
      .getText()
      .matchAll(/(\/\*\* [^\n]* \*\/)?\n\s*\| '([A-Z_]+)'/g)) {
      found.set(code, comment);
    }
  }
  return found;
}

/** Every text in capitals that a folder's code holds, as codes are written. */
function textsIn(folder: string): ReadonlySet<string> {
  const texts = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteral(node)) texts.add(node.text);
    ts.forEachChild(node, visit);
  };
  for (const { parentPath, name } of readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
    if (name.endsWith('.ts') && name !== 'error-code.ts') visit(read(join(parentPath, name).slice(ROOT.length + 1)));
  }
  return texts;
}

const library = codesOf('LibraryErrorCode');
const product = new Map(
  ['LibraryErrorCode', 'RotationErrorCode', 'RowsErrorCode', 'CommandErrorCode'].flatMap((type) => [...codesOf(type)]),
);

test('each code says when it occurs', () => {
  expect(product.size).toBeGreaterThan(50);
  expect([...product].filter(([, comment]) => comment === '').map(([code]) => code)).toEqual([]);
});

test('the code of the library has the codes of the library, and no other', () => {
  const used = new Set(
    [...textsIn('src/keyring'), ...textsIn('src/columns'), ...textsIn('src/format')].filter((text) =>
      product.has(text),
    ),
  );
  expect([...used].sort()).toEqual([...library.keys()].sort());
});

test('a code that is not used is no code', () => {
  const used = textsIn('src');
  expect([...product.keys()].filter((code) => !used.has(code))).toEqual([]);
});

test('docs/use.md tells an application about each code of the library', () => {
  const page = readFileSync(join(ROOT, 'docs/use.md'), 'utf8');
  expect([...library.keys()].filter((code) => !page.includes(`\`${code}\``))).toEqual([]);
});
