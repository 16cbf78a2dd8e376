import type { ColumnCensus } from '../../postgres/census.ts';
import { headerCensus } from '../../postgres/header-census.ts';
import { columnOptions, columnsOf, readingOptions, ringOf } from '../rows/column-options.ts';
import { databaseOf } from '../rows/database-options.ts';
import type { ColumnFlags } from '../rows/column-flags.ts';
import { censusLines, CHECK_CONTEXT, headerLines, isContextRight, rowCount } from '../rows/census-screen.ts';
import { command } from '../command.ts';
import { CENSUS_RESULT } from '../json/row-schemas.ts';
import { shownCensus } from '../rows/progress.ts';
import { missingKeyAdvice, type Advice } from '../rows/missing-keys.ts';
import { unreadKeys, unreadLine, type UnreadKeys } from '../rows/unread-keys.ts';
import { wrapped } from '../terminal/table.ts';
import { step, type NextStep } from '../suggested-commands.ts';

interface CensusFlags extends ColumnFlags {
  readonly headers?: boolean;
}

export const CENSUS = command<CensusFlags>({
  name: 'census',
  summary: 'Count rows in PostgreSQL by the key that opens each',
  details:
    'Every row is decrypted, in one snapshot of the database, because a first byte proves nothing. Rows that no ' +
    'key opens are listed, and the exit code is then 1. --headers reads only first bytes: a quick estimate, never ' +
    'enough to retire a key.',
  examples: [
    "pazpaz-keys census --table patients --column notes --context 'patients:{id}:notes'",
    'pazpaz-keys census --columns columns.json --json',
  ],
  result: CENSUS_RESULT,
  setUp: (program) =>
    readingOptions(columnOptions(program)).option('--headers', 'estimate from the first bytes, without decrypting'),
  run: async (session, flags, _, world) => {
    const specs = await columnsOf(flags);
    const database = databaseOf(flags, session, world);
    if (flags.headers === true) {
      const columns = await headerCensus(database, specs);
      return { result: { isEstimate: true, columns }, lines: () => columns.flatMap(headerLines), showsInDryRun: true };
    }
    const keys = await ringOf(session);
    const columns = await shownCensus(database, specs, keys, world, flags);
    const current = keys.target?.number;
    const unread = unreadKeys(keys);
    // What only a key opens that could not be read may be older data, also inside other values.
    const mayHaveOlder = unread.length > 0 || hasOlderData(columns);
    const unopened = columns.flatMap(({ listed }) => listed);
    const missing = await missingKeyAdvice(unopened, session.deps, 'count again');
    const { advice, next } = adviceOn(columns, unread, missing);
    return {
      result: {
        ...{ isEstimate: false, currentNumber: current ?? 0, columns, hasOlderData: mayHaveOlder },
        ...(unread.length === 0 ? {} : { unreadKeys: unread }),
      },
      lines: () => [
        ...columns.flatMap((count) => censusLines(count, current)),
        ...(mayHaveOlder ? [] : wrapped(NO_OLDER_DATA)),
        ...advice.flatMap((text) => wrapped(text)),
      ],
      ...(next.length === 0 ? {} : { next }),
      exitCode: columns.some(({ unreadable, unsearched, unseen }) => unreadable + unsearched > 0 || unseen.length > 0)
        ? 1
        : 0,
      showsInDryRun: true,
    };
  },
});

const NO_OLDER_DATA =
  'No older data and no rows with number 0 are left in these columns. If they are all there are, applications can refuse older data from now on: KeyRing.open(settings, { legacy: false }).';

/** Whether a row may be left that a ring with `legacy: false` would refuse, or that only looks like one under number 0. */
function hasOlderData(columns: readonly ColumnCensus[]): boolean {
  const isNone = (counts: Readonly<Record<number, number>>): boolean => Object.keys(counts).length === 0;
  const isClean = ({ unnumbered, legacy, unreadable, unseen, besides }: ColumnCensus): boolean =>
    isNone(unnumbered) && isNone(legacy) && unreadable === 0 && unseen.length === 0 && besides.length === 0;
  return !columns.every(isClean) || columns.every(({ numbered }) => isNone(numbered));
}

function adviceOn(
  columns: readonly ColumnCensus[],
  unread: readonly UnreadKeys[],
  missing: Advice | undefined,
): { readonly advice: readonly string[]; readonly next: readonly NextStep[] } {
  if (unread.length > 0) return { advice: unread.map(unreadLine), next: [step('doctor')] };
  if (missing !== undefined) return { advice: [missing.text], next: [missing.next] };
  const rows = columns.reduce((total, { toReencrypt = 0 }) => total + toReencrypt, 0);
  if (rows === 0) return { advice: otherContext(columns.filter(isInOtherContext)), next: [] };
  const found = `${rowCount(rows)} ${rows === 1 ? 'is' : 'are'} not under the current key`;
  return columns.every(isContextRight)
    ? { advice: [`${found}; reencrypt moves them to it.`], next: [step('reencrypt')] }
    : { advice: [`${found}. ${CHECK_CONTEXT}`], next: [] };
}

const OTHER_CONTEXT =
  'No row opens, and their keys are on the ring: check the context, which must be the one that the application gives.';

function otherContext(columns: readonly ColumnCensus[]): readonly string[] {
  if (columns.length === 0) return [];
  const spelled = [...new Set(columns.flatMap((column) => column.spelled))];
  if (spelled.length === 0) return [OTHER_CONTEXT];
  return [
    `${OTHER_CONTEXT} Text of these columns depends on settings, and the application may spell it otherwise than this census: ` +
      `${spelled.join(', ')}. docs/reencrypt.md shows which text is expected.`,
  ];
}

const WITHOUT_CONTEXT: readonly string[] = ['TAMPERED_OR_WRONG_CONTEXT', 'CONTEXT_COLUMN_IS_NULL'];

function isInOtherContext({ unreadable, listed, numbered, unnumbered, legacy }: ColumnCensus): boolean {
  const opened = [numbered, unnumbered, legacy].some((counts) => Object.keys(counts).length > 0);
  return unreadable > 0 && !opened && listed.every(({ code }) => WITHOUT_CONTEXT.includes(code));
}
