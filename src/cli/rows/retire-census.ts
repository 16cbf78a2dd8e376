import { nameOfColumn, ownedName, placeOf } from '../../postgres/catalog/column-name.ts';
import { whyProceduresAreHidden } from '../../postgres/catalog/older-writers.ts';
import { KeyRotationError } from '../../format/error.ts';
import { toKeyNumber, type KeyNumber } from '../../format/key-number.ts';
import type { RingKeys } from '../../postgres/all-keys.ts';
import { requireLasting, type ColumnCensus } from '../../postgres/census.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';
import { ColumnSearch, contextsOf, TablesBefore, type SkippedTable } from '../../postgres/find-columns.ts';
import { reencryptedFrom } from '../../postgres/job/job-control.ts';
import { foundName, type FoundColumn } from '../../postgres/sample/found-column.ts';
import { Connection, withSpare, type DatabaseAddress } from '../../postgres/connection/database.ts';
import type { AwsSession } from '../aws/session.ts';
import type { ProcessIo } from '../process-io.ts';
import { rowCount, UNSEARCHED } from './census-screen.ts';
import type { ColumnFlags } from './column-flags.ts';
import { columnsOf, ringOf } from './column-options.ts';
import { databaseOf } from './database-options.ts';
import { ProgressLine, shownCensus } from './progress.ts';
import type { Census } from './row-count.ts';
import { unreadKeys } from './unread-keys.ts';

export function censusOf(session: AwsSession, flags: ColumnFlags, world: ProcessIo): Census {
  return async (numbers) => {
    const specs = await columnsOf(flags);
    const database = databaseOf(flags, session, world);
    const keys = await ringOf(session);
    const contexts = contextsOf(specs);
    const { counts, unlisted, skipped, isDurable, reencrypted } = await withSpare(database, async (watching) => {
      const before = await tablesBefore(database, watching, keys, contexts, flags);
      const hidden = await hiddenProcedures(watching);
      if (flags.skippedIsFine !== true) requireNoneHidden(hidden);
      // Refuses before the long count what would be refused after it.
      await reencryptedFrom(watching);
      const progress = new ProgressLine(world.stderr, () => world.now().getTime());
      const options = { before, watching, onProgress: progress.onSearch };
      const search = new ColumnSearch(database, keys, contexts, options);
      const counts = await shownCensus(database, specs, keys, world, flags, { beside: search, watching });
      if (flags.emptyIsFine !== true) requireValues(counts);
      const { columns, skipped } = await search.look().finally(() => {
        progress.end();
      });
      const unlisted = notCounted(counts, columns);
      requireNoneOpens(unlisted, numbers);
      if (flags.unlistedIsFine !== true) requireNoneEncrypted(unlisted, numbers);
      const unsearched = unsearchedIn(counts);
      if (flags.skippedIsFine !== true) requireAllSearched(unsearched);
      const reencrypted = await reencryptedFrom(watching);
      return {
        counts,
        unlisted,
        skipped: [...hidden, ...unsearched, ...skipped],
        reencrypted,
        ...(await requireLasting(watching, counts)),
      };
    });
    if (flags.skippedIsFine === true) requireNoneClosed(skipped);
    else requireNoneSkipped(skipped);
    return {
      rowsByNumber: sumByKey(
        counts.map(({ numbered }) => numbered),
        toKeyNumber,
      ),
      nestedByNumber: sumByKey(
        counts.map(({ nested }) => nested),
        (number) => number,
      ),
      rowsWithNumberZero: sum(counts.flatMap(({ unnumbered }) => Object.values(unnumbered))),
      legacyRows: sum(counts.flatMap(({ legacy }) => Object.values(legacy))),
      unattributableRows: sum(counts.map(({ unreadable }) => unreadable)),
      reencryptedFrom: reencrypted,
      unreadKeys: unreadKeys(keys),
      counted: counts.map(({ rows, ...named }) => ({ ...placeOf(named), rows })),
      isComplete: counts.every(({ unseen }) => unseen.length === 0),
      unseen: [...new Set(counts.flatMap(({ relation, unseen }) => unseen.map((why) => `${relation}: ${why}`)))],
      unlisted: namesOf(unlisted),
      skipped,
      isDurable,
    };
  };
}

/** An operator who accepts skipped tables accepts those that have a value now that cannot be looked at. */
async function tablesBefore(
  database: DatabaseAddress,
  watching: DatabaseAddress,
  keys: RingKeys,
  contexts: readonly string[],
  { skippedIsFine }: ColumnFlags,
): Promise<TablesBefore> {
  const before = await TablesBefore.in(watching);
  if (skippedIsFine === true) {
    const search = new ColumnSearch(database, keys, contexts, { watching });
    await search.look();
    before.close(search.unspellable);
  }
  return before;
}

/** As a table that cannot be looked at: it is named, accepted and recorded in the same way. */
async function hiddenProcedures(watching: DatabaseAddress): Promise<readonly SkippedTable[]> {
  const reason = await Connection.during(watching, whyProceduresAreHidden);
  return reason === undefined ? [] : [{ table: 'pg_catalog.pg_stat_activity', reason }];
}

/**
 * What looks encrypted and was not counted: beside the counted members of every row, and in a sample of all columns. Both
 * may have the same place, and only one of them the key that opens a value there: they try different contexts.
 */
export function notCounted(counts: readonly ColumnCensus[], found: readonly FoundColumn[]): readonly FoundColumn[] {
  return [...counts.flatMap(({ besides }) => besides), ...found];
}

/** Each place once. */
export function namesOf(found: readonly FoundColumn[]): readonly string[] {
  return [...new Set(found.map(foundName))];
}

/** Throws `ROWS_STILL_NEED_KEY` if a key in question, or one without a number, opens a value that was not counted. */
function requireNoneOpens(unlisted: readonly FoundColumn[], numbers: readonly KeyNumber[]): void {
  const needing = unlisted.filter((found) => found.numbers.some((one) => one === 0 || numbers.some((n) => n === one)));
  if (needing.length === 0) return;
  throw new KeyRotationError(
    'ROWS_STILL_NEED_KEY',
    `Columns that were not counted hold ciphertexts of the key: ${namesOf(needing).join(', ')}. Add them to the file ` +
      `that --columns names (columns --find prints one), then census and reencrypt them.${notListed(needing)}`,
  );
}

/** What to do about places that no list can name. */
function notListed(found: readonly FoundColumn[]): string {
  if (found.every(({ uncountable }) => uncountable === undefined)) return '';
  return (
    ' Places in brackets cannot be listed: refresh a materialized view after its tables are re-encrypted; otherwise have ' +
    'the application write the value again.'
  );
}

/**
 * Throws `NO_CENSUS` if a column that was not counted holds ciphertexts of the ring, or values that begin with a number
 * in question or that of an unknown key: a sample does not show every row.
 */
function requireNoneEncrypted(unlisted: readonly FoundColumn[], numbers: readonly KeyNumber[]): void {
  const found = unlisted.filter(
    ({ opened, alikeNumbers, isGenerated }) =>
      !isGenerated && (opened > 0 || alikeNumbers.some((one) => one === 0 || numbers.some((number) => number === one))),
  );
  if (found.length === 0) return;
  throw new KeyRotationError(
    'NO_CENSUS',
    `Columns that were not counted hold ciphertexts, and may have rows that need the key: ${namesOf(found).join(', ')}. ` +
      'Add them to the file that --columns names (columns --find prints one), or pass --unlisted-is-fine to retire if no row of ' +
      `them needs it.${notListed(found)}`,
  );
}

/**
 * Throws `NO_CENSUS` if tables cannot be searched that could be before the count, or that are new. No option accepts
 * that: the operator saw others when accepting.
 */
function requireNoneClosed(skipped: readonly SkippedTable[]): void {
  const closed = skipped.filter(({ isClosed }) => isClosed === true);
  if (closed.length === 0) return;
  throw new KeyRotationError(
    'NO_CENSUS',
    'Tables were made, locked or altered since this began, and cannot be looked at: ' +
      `${closed.map(({ table, reason }) => `${table} (${reason})`).join('; ')}. They may hold rows that need the key. ` +
      'Run this again.',
  );
}

/** Throws `NO_CENSUS` if sessions hide what they run: a procedure may write rows of the key again. */
function requireNoneHidden(hidden: readonly SkippedTable[]): void {
  if (hidden.length === 0) return;
  throw new KeyRotationError(
    'NO_CENSUS',
    `Sessions of this database hide what they run: ${hidden.map(({ reason }) => reason).join('; ')}. Run this again then, or ` +
      'pass --skipped-is-fine if none of them runs a procedure that writes rows of the key.',
  );
}

/** Throws `NO_CENSUS` if tables could not be searched: their owners decide that, and may keep rows there. */
function requireNoneSkipped(skipped: readonly SkippedTable[]): void {
  if (skipped.length === 0) return;
  throw new KeyRotationError(
    'NO_CENSUS',
    'Tables could not be looked at for columns that are not listed: ' +
      `${skipped.map(({ table, reason }) => `${table} (${reason})`).join('; ')}. They may hold rows that need the key. ` +
      'Run this again as a role that may read them, or pass --skipped-is-fine if none of them holds ciphertexts of the key.',
  );
}

/** Throws `NO_CENSUS` if the columns hold no encrypted value, which does not prove that no row needs a key. */
function requireValues(counts: readonly ColumnCensus[]): void {
  if (counts.some(({ rows, nulls, empty }) => rows > nulls + empty)) return;
  const names = counts.map(ownedName);
  throw new KeyRotationError(
    'NO_CENSUS',
    `No value is in ${names.join(', ')}, which does not prove that no row needs the key: the rows may be in another table ` +
      'or database. Name the columns that hold them, or pass --empty-is-fine if no row does.',
  );
}

/** Of what was counted: as tables that could not be looked at, they are named, accepted and recorded. */
function unsearchedIn(counts: readonly ColumnCensus[]): readonly SkippedTable[] {
  return counts.flatMap(({ unsearched, relation, ...place }) =>
    unsearched === 0 ? [] : [{ table: nameOfColumn(relation, place), reason: `${rowCount(unsearched)} ${UNSEARCHED}` }],
  );
}

/** Throws `NO_CENSUS` if values of the listed columns cannot be looked through: a ciphertext of the key may be in one. */
function requireAllSearched(unsearched: readonly SkippedTable[]): void {
  if (unsearched.length === 0) return;
  throw new CommandRefusal(
    'NO_CENSUS',
    'Some rows of the listed columns are counted, and may have a ciphertext of the key inside their value: ' +
      `${unsearched.map(({ table, reason }) => `${table} (${reason})`).join('; ')}. census lists them (VALUE_TOO_COMPLEX). ` +
      'Read them with the application, and pass --skipped-is-fine if none of them holds a ciphertext of the key.',
    step('census'),
  );
}

/** By the number of their key. */
function sumByKey<Key>(
  counts: readonly Readonly<Record<number, number>>[],
  keyOf: (number: number) => Key,
): ReadonlyMap<Key, number> {
  const sums = new Map<Key, number>();
  for (const [number, rows] of counts.flatMap((count) => Object.entries(count))) {
    const key = keyOf(Number(number));
    sums.set(key, (sums.get(key) ?? 0) + rows);
  }
  return sums;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
