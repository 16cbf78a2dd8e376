import { Option } from 'commander';
import { ownedName } from '../../postgres/catalog/column-name.ts';
import { FEWEST_REPORTED, USAGE_LIMITS, type KeyUsage } from '../../keyring/telemetry/key-usage.ts';
import type { ColumnCensus } from '../../postgres/census.ts';
import { checkedColumns } from '../../postgres/job/checked-columns.ts';
import { MOST_BATCH_ROWS } from '../../postgres/job/reencrypt-options.ts';
import type { ReencryptReport } from '../../postgres/job/reencrypt.ts';
import { controlJobs, type JobView } from '../../postgres/job/job-control.ts';
import { triggerLine, type TriggerChoice } from '../../postgres/catalog/triggers.ts';
import { brakeList, brakeOptions, brakesOf, controlOf, type BrakeFlags, queryNotAsked } from '../rows/brake-options.ts';
import { columnOptions, columnsOf, upTo, namesColumns, ringOf } from '../rows/column-options.ts';
import { databaseOf } from '../rows/database-options.ts';
import type { ColumnFlags } from '../rows/column-flags.ts';
import { isMissingKey, missingKeyAdvice, type Advice } from '../rows/missing-keys.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { step } from '../suggested-commands.ts';
import { wrapped } from '../terminal/table.ts';
import { censusLines, CHECK_CONTEXT, grouped, isContextRight, listed, rowCount } from '../rows/census-screen.ts';
import { command, wrongUsage, type Finished } from '../command.ts';
import { REENCRYPT_RESULT } from '../json/row-schemas.ts';
import { shownCensus } from '../rows/progress.ts';
import { shownReencryption, usageLog } from '../rows/shown-reencryption.ts';

interface ReencryptFlags extends ColumnFlags, BrakeFlags {
  readonly toContext?: string;
  readonly triggers?: TriggerChoice;
  readonly connections: number;
  /** The name of `connections` in version 0.1.0. */
  readonly lanes?: number;
  readonly batchRows: number;
  /** False with `--no-legacy`. */
  readonly legacy: boolean;
  readonly startOver?: boolean;
}

export const REENCRYPT = command<ReencryptFlags>({
  name: 'reencrypt',
  summary: 'Re-encrypt rows in PostgreSQL under the current key',
  details:
    'Works in batches, one transaction each. A row that the application changes or locks meanwhile is left to the ' +
    'application. Any number of processes on any number of machines may run it: PostgreSQL distributes the rows. ' +
    'If it is stopped or killed, the same command continues. Rows that no key opens are listed and left ' +
    'untouched, and the exit code is then 1.',
  examples: [
    "pazpaz-keys reencrypt --table patients --column notes --context 'patients:{id}:notes' --dry-run",
    "pazpaz-keys reencrypt --table persons --column notes --context 'patients:{id}:notes' --to-context 'persons:{id}:notes'",
    'pazpaz-keys reencrypt --columns columns.json --triggers skip',
  ],
  result: REENCRYPT_RESULT,
  writes: 'at once',
  setUp: (program) =>
    brakeOptions(columnOptions(program))
      .option('--to-context <template>', 'move the rows to this context (default: keep theirs)')
      .addOption(
        new Option('--triggers <what>', "what to do about the table's triggers, if it has any").choices([
          'skip',
          'fire',
        ]),
      )
      .option('--connections <n>', 'connections of this process to the database', upTo(16), 2)
      .addOption(new Option('--lanes <n>', 'the former name of --connections').argParser(upTo(16)).hideHelp())
      .option('--batch-rows <n>', 'at most this many rows per transaction', upTo(20_000), MOST_BATCH_ROWS)
      .option('--no-legacy', 'list rows of older data instead of re-encrypting them: their context cannot be checked')
      .option('--start-over', 'abandon an unfinished job that was started with other options'),
  run: async (session, flags, _, world) => {
    const database = databaseOf(flags, session, world);
    const changes = controlOf(flags);
    if (changes !== undefined) {
      if (flags.dryRun === true) wrongUsage('--dry-run says what a run would do; --show changes nothing.');
      const columns = namesColumns(flags) ? await columnsOf(flags) : undefined;
      const { jobs, whyNotAsked } = await controlJobs(database, columns, changes);
      if (whyNotAsked !== undefined) session.warn(queryNotAsked(whyNotAsked));
      return controlled(jobs);
    }
    const specs = await columnsOf(flags, flags.toContext);
    const keys = await ringOf(session, usageLog(world));
    const target = keys.requireTarget().number;
    if (flags.dryRun === true) {
      // What the run would refuse is refused here too; only what it would ask about triggers is shown instead.
      await checkedColumns(database, specs, keys, flags.triggers ?? 'fire');
      return dryRun(await shownCensus(database, specs, keys, world), target, flags.legacy);
    }
    const reports = await shownReencryption(database, specs, keys, world, {
      triggers: flags.triggers,
      connections: flags.lanes ?? flags.connections,
      batchRows: flags.batchRows,
      legacy: flags.legacy,
      startOver: flags.startOver === true,
      now: session.deps.now,
      brakes: brakesOf(flags),
      isQuiet: flags.json === true,
      warn: session.warn,
    });
    const advice = await adviceOn(reports, session.deps);
    return finished(reports, specs.length, keys.usage(), advice);
  },
});

async function adviceOn(columns: readonly ReencryptReport[], deps: CommandDependencies): Promise<Advice | undefined> {
  const rows = columns.flatMap(({ left }) => left);
  if (!rows.some(isMissingKey)) return undefined;
  const advice = await missingKeyAdvice(rows, deps, 're-encrypt again');
  return (
    advice ?? { text: 'No key of the ring opens some rows: census says which key they may need.', next: step('census') }
  );
}

/** What a run came to: rows that were left, or not seen, need a person. */
export function finished(
  columns: readonly ReencryptReport[],
  asked: number,
  encryptions: readonly KeyUsage[],
  advice: Advice | undefined,
): Finished {
  const isFinished = columns.length === asked && columns.every((report) => report.isFinished);
  const isClean = columns.every(({ totals, openWriters }) => totals.left === 0 && openWriters === undefined);
  return {
    result: { isFinished, columns, encryptions },
    lines: () => [
      ...columns.flatMap(reportLines),
      ...encryptions.filter((usage) => usage.encryptions >= FEWEST_REPORTED).map(usageLine),
      ...(isFinished ? [] : ['Stopped. Finished batches are saved: the same command continues from here.']),
      ...(advice === undefined ? [] : wrapped(advice.text)),
    ],
    ...(advice === undefined ? {} : { next: [advice.next] }),
    exitCode: isFinished && isClean ? 0 : 1,
    showsInDryRun: true,
  };
}

/** Of the 2^32 encryptions that a key may make (NIST SP 800-38D, section 8.3). */
function usageLine({ keyNumber, encryptions }: KeyUsage): string {
  const share = (100 * encryptions) / USAGE_LIMITS.last;
  return `This process encrypted ${grouped(encryptions)} times with key ${keyNumber}: ${share < 0.01 ? 'less than 0.01' : share.toFixed(2)} % of the limit for one key.`;
}

function reportLines(report: ReencryptReport): readonly string[] {
  const { keyNumber, ownReencrypted, totals, left, waited, openWriters } = report;
  const others = totals.reencrypted - ownReencrypted;
  const by = others > 0 ? ` (${grouped(ownReencrypted)} of them by this process)` : '';
  const rest = [
    `${grouped(totals.alreadyCurrent)} there already`,
    ...(totals.nulls > 0 ? [`${grouped(totals.nulls)} NULL`] : []),
    ...(totals.empty > 0 ? [`${grouped(totals.empty)} empty`] : []),
  ];
  return [
    `${ownedName(report)}: ${rowCount(totals.reencrypted)} re-encrypted under key ${keyNumber}${by}, ` +
      `${rest.join(', ')}.`,
    ...(openWriters === undefined
      ? []
      : [
          `  Not seen: rows of transactions that are still open: ${openWriters}. Once they have ended, run this again.`,
        ]),
    ...waited.map(({ brake, seconds }) => `  Waited ${grouped(seconds)} s: ${brake}.`),
    ...(totals.left === 0 ? [] : [`  ${grouped(totals.left)} left untouched:`, ...listed(left, totals.left)]),
  ];
}

function controlled(jobs: readonly JobView[]): Finished {
  return {
    result: {
      isFinished: false,
      jobs: jobs.map(({ brakes, waitsFor, ...job }) => {
        const { isPaused, ...rest } = brakes;
        return { ...job, isPaused, brakes: rest, ...(waitsFor === undefined ? {} : { waitsFor }) };
      }),
    },
    lines: () =>
      jobs.flatMap(({ keyNumber, totals, brakes, waitsFor, ...place }) => [
        `${ownedName(place)}, to key ${keyNumber}: ${rowCount(totals.readRows)} read, ${grouped(totals.reencrypted)} re-encrypted.`,
        ...(waitsFor === undefined ? [] : [`  It waits: ${waitsFor.detail}.`]),
        ...brakeList(brakes).map((brake) => `  ${brake}`),
      ]),
    showsInDryRun: true,
  };
}

function dryRun(columns: readonly ColumnCensus[], target: number, takesLegacy: boolean): Finished {
  const legacyRows = ({ legacy }: ColumnCensus) => Object.values(legacy).reduce((sum, rows) => sum + rows, 0);
  const leftOf = (count: ColumnCensus) => (takesLegacy ? 0 : legacyRows(count));
  return {
    result: { isFinished: false, columns },
    lines: () => [
      ...columns.flatMap((count) => [
        ...censusLines(count, target),
        `  Would re-encrypt ${rowCount((count.toReencrypt ?? 0) - leftOf(count))} under key ${target}.`,
        ...(leftOf(count) > 0
          ? [`  Would list ${rowCount(leftOf(count))} of older data, because of --no-legacy.`]
          : []),
        ...(isContextRight(count) ? [] : wrapped(CHECK_CONTEXT, 98).map((line) => `  ${line}`)),
        ...count.triggers.map((trigger) => `  Trigger ${triggerLine(trigger, count.relation)}.`),
      ]),
      'Dry run: nothing was changed.',
    ],
    exitCode: columns.some((count) => count.unreadable + leftOf(count) > 0 || count.unseen.length > 0) ? 1 : 0,
    showsInDryRun: true,
  };
}
