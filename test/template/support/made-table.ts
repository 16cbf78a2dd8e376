import { readFileSync, writeFileSync } from 'node:fs';

const PAGE = 'docs/deploy-reference.md';

/**
 * A table of the reference page that is made from the template: what stands there, and what should. It stands between
 * the comments `<!-- made: NAME -->` and `<!-- end -->`. `npm run docs:deploy` writes it first.
 */
export function madeTable(name: string, heading: readonly string[], rows: readonly (readonly string[])[]) {
  const all = [heading, heading.map(() => '---'), ...rows];
  const expected = `\n${all.map((cells) => `| ${cells.join(' | ')} |\n`).join('')}\n`;
  const place = new RegExp(`(?<=<!-- made: ${name} -->\n)[^]*?(?=<!-- end -->)`);
  if (process.env['UPDATE_DOCS'] === '1') {
    writeFileSync(
      PAGE,
      readFileSync(PAGE, 'utf8').replace(place, () => expected),
    );
  }
  return {
    found: withoutPadding(place.exec(readFileSync(PAGE, 'utf8'))?.[0] ?? ''),
    expected: withoutPadding(expected),
  };
}

/** Prettier pads the cells of a table. */
function withoutPadding(table: string): string {
  return table.replaceAll(/-{3,}/g, '---').replaceAll(/ +/g, ' ');
}
