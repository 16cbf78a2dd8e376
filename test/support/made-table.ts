import { readFileSync, writeFileSync } from 'node:fs';

/**
 * A table of a page that is made from the template or from the code: what the page has now, and what it should have. The
 * table is between the comments `<!-- made: NAME -->` and `<!-- end -->`. `npm run docs` writes it first.
 */
export function madeTable(
  page: string,
  name: string,
  heading: readonly string[],
  rows: readonly (readonly string[])[],
) {
  const all = [heading, heading.map(() => '---'), ...rows];
  const expected = `\n${all.map((cells) => `| ${cells.join(' | ')} |\n`).join('')}\n`;
  const place = new RegExp(`(?<=<!-- made: ${name} -->\n)[^]*?(?=<!-- end -->)`);
  if (process.env['UPDATE_DOCS'] === '1') {
    writeFileSync(
      page,
      readFileSync(page, 'utf8').replace(place, () => expected),
    );
  }
  return {
    found: withoutPadding(place.exec(readFileSync(page, 'utf8'))?.[0] ?? ''),
    expected: withoutPadding(expected),
  };
}

/** Prettier pads the cells of a table. */
function withoutPadding(table: string): string {
  return table.replaceAll(/-{3,}/g, '---').replaceAll(/ +/g, ' ');
}
