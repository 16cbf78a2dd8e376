import { findColumns } from '../../postgres/find-columns.ts';
import { foundName, type FoundColumn } from '../../postgres/sample/found-column.ts';
import { command, wrongUsage } from '../command.ts';
import { FOUND_COLUMN } from '../json/row-schemas.ts';
import { described, listOf, object, TEXT, YES_OR_NO } from '../json/shapes.ts';
import type { DatabaseFlags } from '../rows/column-flags.ts';
import { ringOf } from '../rows/column-options.ts';
import { databaseOf, databaseOptions } from '../rows/database-options.ts';
import { ProgressLine } from '../rows/progress.ts';
import { printableJson } from '../terminal/paint.ts';

interface ColumnsFlags extends DatabaseFlags {
  readonly find?: boolean;
}

export const COLUMNS = command<ColumnsFlags>({
  name: 'columns',
  summary: 'Find columns in PostgreSQL that hold ciphertexts, and print a list of them',
  details:
    'Looks at a sample of every table that this user may read, and prints what census, reencrypt and retire take as ' +
    '--columns. A sample can miss a column, so compare the list with the application. A context cannot be seen: add ' +
    '"context" to each column that has one.',
  examples: ['pazpaz-keys columns --find', 'pazpaz-keys columns --find --json'],
  result: object({
    columns: listOf(FOUND_COLUMN),
    skipped: described(
      'Tables that were not looked at',
      listOf(object({ table: TEXT, reason: TEXT }, { isClosed: YES_OR_NO })),
    ),
  }),
  setUp: (program) => databaseOptions(program).option('--find', 'search the database (the only action so far)'),
  run: async (session, flags, _, world) => {
    if (flags.find !== true) wrongUsage('What is to be done? Pass --find to search the database for columns.');
    const database = databaseOf(flags, session, world);
    const progress = new ProgressLine(world.stderr, () => world.now().getTime());
    const result = await findColumns(database, await ringOf(session), [], progress.onSearch).finally(() => {
      progress.end();
    });
    const { columns, skipped } = result;
    for (const { table, reason } of skipped) session.warn(`${table} was not looked at: ${reason}`);
    const listed = columns.filter(({ uncountable }) => uncountable === undefined);
    const others = columns.filter((found) => !listed.includes(found) && !found.isGenerated).map(foundName);
    if (others.length > 0) {
      session.warn(`There are also ciphertexts that neither census nor reencrypt can read: ${others.join(', ')}.`);
    }
    const withContext = listed.filter(({ opened, sampled }) => opened < sampled).map(foundName);
    if (withContext.length > 0) {
      session.warn(`Values of ${withContext.join(', ')} do not open without a context: add "context" to them.`);
    }
    return {
      result,
      lines: () => fileLines(listed),
      showsInDryRun: true,
      exitCode: skipped.length + others.length > 0 ? 1 : 0,
    };
  },
});

/** A file for `--columns`, with one column a line. */
function fileLines(columns: readonly FoundColumn[]): readonly string[] {
  const entries = columns.map(({ table, column, member }) =>
    // The screen would replace characters that it cannot print, and the file would name another column.
    printableJson(JSON.stringify({ table, column, ...(member === undefined ? {} : { member }) })),
  );
  return ['[', ...entries.map((entry, at) => `  ${entry}${at + 1 < entries.length ? ',' : ''}`), ']'];
}
