import { Option } from 'commander';
import { ownedName } from '../../postgres/catalog/column-name.ts';
import type { TriggerChoice } from '../../postgres/catalog/triggers.ts';
import { command } from '../command.ts';
import { COUNTED_ROWS, LISTED_MEMBER, NOT_COUNTED, OPEN_WRITERS } from '../json/row-schemas.ts';
import { COUNT, DATE, described, listOf, NEXT, object, RETIRED, TEXT, YES_OR_NO } from '../json/shapes.ts';
import { runMaintain, WOULD_DO, type Due, type MaintainResult } from '../ring/maintenance.ts';
import { grouped, rowCount } from '../rows/census-screen.ts';
import type { ColumnFlags } from '../rows/column-flags.ts';
import { columnOptions, upTo } from '../rows/column-options.ts';
import { withMaintainedRows } from '../rows/maintained-rows.ts';
import { spelled } from '../suggested-commands.ts';
import { printable, type Paint } from '../terminal/paint.ts';
import { keyList, wrapped } from '../terminal/table.ts';

interface MaintainFlags extends ColumnFlags {
  readonly keep: number;
  readonly retire: 'off' | 'propose' | 'do';
  readonly triggers?: TriggerChoice;
}

const DUE = object(
  {
    code: described('An error code, the code of a note of status, or one of maintain', TEXT),
    text: TEXT,
    needsPerson: described('Whether a person has to do something', YES_OR_NO),
    next: NEXT,
  },
  { at: described('The moment from which it can be done', DATE) },
);

const BROUGHT = object(
  {
    relation: described('The table with its schema', TEXT),
    owner: described('The role that owns it', TEXT),
    column: TEXT,
    keyNumber: described('The number that its rows have now', COUNT),
    isFinished: YES_OR_NO,
    rows: described('Rows that this process re-encrypted', COUNT),
    left: described('Rows that were left untouched', COUNT),
  },
  { ...LISTED_MEMBER, openWriters: OPEN_WRITERS },
);

export const MAINTAIN = command<MaintainFlags>({
  name: 'maintain',
  summary: 'Do what is due after a rotation: re-encrypt, count, and retire keys that nothing needs',
  details:
    'Run it every day, as a job. It continues or starts a re-encryption, finishes what was interrupted, and a day ' +
    'after the last change of the secret it counts the rows and proposes to retire the keys that none of them needs ' +
    '(with --retire do, it retires them, with all checks of retire). Any number of machines may run it at once, and the next ' +
    'run continues one that was killed. The exit code is 1 if something needs a person.',
  examples: [
    'pazpaz-keys maintain --columns columns.json --retire do',
    'pazpaz-keys maintain --columns columns.json --retire off --json',
  ],
  result: object(
    {
      currentNumber: described('0: no current key, or one without a number', COUNT),
      freeSlots: described('Labels that are free', COUNT),
      adopted: described('Whether keys in use were given numbers', YES_OR_NO),
      reencrypted: listOf(BROUGHT),
      retired: listOf(object(RETIRED)),
      proposed: described('Keys that could be retired', listOf(COUNT)),
      next: described('What is not done yet', listOf(DUE)),
    },
    {
      counted: described(
        'The rows that were counted; absent without a census',
        listOf(object(COUNTED_ROWS, LISTED_MEMBER)),
      ),
      ...NOT_COUNTED,
    },
  ),
  writes: 'at once',
  setUp: (program) =>
    columnOptions(program)
      .option('--keep <n>', 'how many of the newest keys are never retired', upTo(17), 2)
      .addOption(
        new Option('--retire <what>', 'what to do with keys that no row needs')
          .choices(['off', 'propose', 'do'])
          .default('propose'),
      )
      .addOption(
        new Option('--triggers <what>', "what to do about the tables' triggers, if they have any").choices([
          'skip',
          'fire',
        ]),
      )
      .option('--connections <n>', 'connections of this process to the database', upTo(16), 2)
      .option('--empty-is-fine', 'as for retire: accept columns without a single value as evidence')
      .option('--skipped-is-fine', 'as for retire: accept tables that could not be looked at'),
  run: async (session, flags, _, world) => {
    const { keep, retire, dryRun, emptyIsFine, skippedIsFine } = flags;
    const accepted = [
      ...(emptyIsFine === true ? ['--empty-is-fine'] : []),
      ...(skippedIsFine === true ? ['--skipped-is-fine'] : []),
    ];
    const isDryRun = dryRun === true;
    const result = await withMaintainedRows(session, flags, world, (rows) =>
      runMaintain(session.deps, rows, { keep, retire, accepted, isDryRun }),
    );
    const shown = { ...result, next: spelled(result.next, session.spell) };
    const hasNoList = isDryRun && session.changes.length === 0;
    return {
      result: shown,
      lines: (paint) => [
        ...maintainLines(shown, isDryRun, paint),
        ...(hasNoList ? ['Dry run: nothing was changed.'] : []),
      ],
      exitCode: result.next.some(({ needsPerson }) => needsPerson) ? 1 : 0,
      showsInDryRun: true,
    };
  },
});

type ShownDue = Omit<Due, 'next'> & { readonly next: readonly string[] };
type Shown = Omit<MaintainResult, 'next'> & { readonly next: readonly ShownDue[] };

function maintainLines(result: Shown, isDryRun: boolean, paint: Paint): readonly string[] {
  const done = doneLines(result, isDryRun);
  const isQuiet = result.next.every(({ needsPerson }) => !needsPerson);
  const isNamed = result.next.some(({ code }) => WOULD_DO.includes(code));
  const uncounted = result.counted === undefined ? ', and no row was counted' : '';
  const nothing = `Nothing was ${isQuiet ? 'due' : 'done'}${uncounted}.`;
  return [
    `${result.currentNumber === 0 ? 'No numbered key' : `Key ${result.currentNumber}`} is current, and ${result.freeSlots === 1 ? '1 label is' : `${result.freeSlots} labels are`} free.`,
    ...(done.length > 0 || isNamed ? done : [nothing]),
    ...result.next.flatMap((due) => dueLines(due, paint)),
  ];
}

function dueLines({ needsPerson, text, next }: ShownDue, paint: Paint): readonly string[] {
  const mark = needsPerson ? paint.warn('!') : paint.faint('-');
  return [
    ...wrapped(printable(text), 96).map((line, index) => `${index === 0 ? mark : ' '} ${line}`),
    ...next.map((line) => `    ${paint.strong(printable(line))}`),
  ];
}

function doneLines(
  { adopted, reencrypted, counted = [], skipped = [], retired }: Shown,
  isDryRun: boolean,
): readonly string[] {
  const rows = counted.reduce((sum, column) => sum + column.rows, 0);
  return [
    ...(adopted ? [isDryRun ? 'Every key in use would have a number.' : 'Every key in use has a number.'] : []),
    ...reencrypted.map(
      (one) =>
        `${ownedName(one)}: ${rowCount(one.rows)} re-encrypted under key ${one.keyNumber}` +
        `${one.left === 0 ? '' : `, ${grouped(one.left)} left untouched`}.`,
    ),
    ...(counted.length === 0 ? [] : [`Counted: ${rowCount(rows)}.`]),
    ...skipped.map(({ table, reason }) => printable(`Not looked at: ${table}: ${reason}`)),
    ...(retired.length === 0 ? [] : [`Retired: ${keyList(retired.map(({ number }) => number))}.`]),
  ];
}
