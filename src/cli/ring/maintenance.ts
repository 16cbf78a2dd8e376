import { isKeyRotationError } from '../../format/error.ts';
import { numberingLabel, type KeyNumber } from '../../format/key-number.ts';
import { retirableNumbers, type RingLabels } from '../../format/ring-labels.ts';
import { retirementRecords, type CountedRows, type RetiredKey } from '../../format/retired-tag.ts';
import { ownedName } from '../../postgres/catalog/column-name.ts';
import type { SkippedTable } from '../../postgres/find-columns.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { runAdopt } from '../commands/adopt.ts';
import { runRetire } from '../commands/retire.ts';
import { exitCodeOf } from '../exit-code.ts';
import type { BroughtColumn, MaintainedRows } from '../rows/maintained-rows.ts';
import type { CensusResult } from '../rows/row-count.ts';
import { CommandRefusal, step, stepsAfter, type NextStep } from '../suggested-commands.ts';
import { keyList } from '../terminal/table.ts';
import { notesOn } from '../status/notes.ts';
import { incomingVersion } from './incoming.ts';
import { MOVING_LABEL } from './labels.ts';
import {
  hasPassedAgeCheck,
  requireNoRows,
  requireReadable,
  requireSettled,
  TooEarly,
  unreadOf,
} from './retire-checks.ts';
import { describedRing, LONGEST_DELAY } from './ring.ts';
import { readRingReport, takesTooLong, type RingReport } from '../status/ring-report.ts';

export interface MaintainOptions {
  /** So many of the newest numbers are never retired. */
  readonly keep: number;
  readonly retire: 'off' | 'propose' | 'do';
  /** Options that the operator has accepted, for the proposed command. */
  readonly accepted?: readonly string[];
  /** What would be done is only named. */
  readonly isDryRun?: boolean;
}

/** Not done yet. */
export interface Due {
  /** An error code, a code of `status`, or one of `maintain`. */
  readonly code: string;
  readonly text: string;
  /** Otherwise the next run of `maintain`, or AWS, continues. */
  readonly needsPerson: boolean;
  /** The moment from which it can be done, if that is known. */
  readonly at?: string;
  readonly next: readonly NextStep[];
}

export interface MaintainResult {
  readonly currentNumber: number;
  readonly freeSlots: number;
  /** Whether keys in use, or an incoming one, were numbered. */
  readonly adopted: boolean;
  readonly reencrypted: readonly BroughtColumn[];
  /** Before a retirement or its proposal; absent without a census. */
  readonly counted?: readonly CountedRows[];
  /** Columns that were not counted, and whose values look like ciphertexts. */
  readonly unlisted?: readonly string[];
  /** Tables that could not be searched for such columns. */
  readonly skipped?: readonly SkippedTable[];
  readonly retired: readonly RetiredKey[];
  readonly proposed: readonly number[];
  readonly next: readonly Due[];
}

/** All checks of `retire` have passed. */
class Proposal extends Error {}

/** What a dry run leaves to the real run. */
export const WOULD_DO = ['reencryption-due', 'retirement-due'];

/** They pass by themselves. */
const PASSING = ['TOO_EARLY_TO_RETIRE', 'ROTATION_UNDER_WAY'];

/** What can be retired is looked for again. */
const CHANGED_MEANWHILE = ['STATE_CHANGED', 'KEY_STILL_NEEDED'];
const MOST_TRIES = 3;

/**
 * Numbers keys in use, re-encrypts rows under the current key, and retires keys that nothing needs. Each part is the
 * command of that name with its checks, and a refusal is part of the result. The next run finishes a killed one, and
 * several may run at once. Rejects only if AWS or the database does not answer.
 */
export async function runMaintain(
  deps: CommandDependencies,
  rows: MaintainedRows,
  options: MaintainOptions,
): Promise<MaintainResult> {
  const run = new Maintenance(deps, rows, options);
  await run.attempt(() => run.adopt());
  await run.attempt(() => run.bringRows());
  if (options.retire !== 'off') await run.attempt(() => run.retire());
  return run.result();
}

class Maintenance {
  readonly #deps: CommandDependencies;
  readonly #rows: MaintainedRows;
  readonly #options: MaintainOptions;
  #adopted = false;
  readonly #reencrypted: BroughtColumn[] = [];
  /** Rows that the last re-encryption left untouched, of this run or before it. */
  #left = 0;
  /** What the last census of a retirement counted. */
  #seen: CensusResult | undefined;
  readonly #retired: RetiredKey[] = [];
  #proposed: readonly KeyNumber[] = [];
  readonly #next: Due[] = [];

  constructor(deps: CommandDependencies, rows: MaintainedRows, options: MaintainOptions) {
    this.#deps = deps;
    this.#rows = rows;
    this.#options = options;
  }

  /** A refusal is reported, and the other parts are still done. */
  async attempt(part: () => Promise<void>): Promise<void> {
    try {
      await part();
    } catch (error) {
      this.#refused(error);
    }
  }

  async adopt(): Promise<void> {
    const { ring } = await describedRing(this.#deps);
    const isArriving = incomingVersion(ring) !== undefined;
    const unnumbered = [ring.current, ring.previous].filter((id) => id !== undefined && !ring.numberOf.has(id));
    if (!isArriving && unnumbered.length === 0) return;
    await runAdopt(this.#deps, {});
    // A value in use that is not a key stays without a number.
    const { numberOf } = (await describedRing(this.#deps)).ring;
    this.#adopted = isArriving || unnumbered.some((id = '') => numberOf.has(id));
  }

  async bringRows(): Promise<void> {
    const { ring } = await describedRing(this.#deps);
    const target = ring.numberOf.get(ring.current ?? '');
    if (target === undefined) return;
    const left = await this.#rows.leftByLast(target);
    if (left === undefined) await this.#reencrypt();
    else this.#left = left;
  }

  async retire(): Promise<void> {
    let hasReencrypted = this.#options.isDryRun === true;
    for (let tries = 1; ; tries += 1) {
      const numbers = await this.#retirable();
      if (numbers.length === 0) return;
      try {
        await this.#retire(numbers);
        return;
      } catch (error) {
        if (isOneOf(error, CHANGED_MEANWHILE) && tries < MOST_TRIES) continue;
        const concernsSome = this.#hasUnread(numbers) || this.#isUnsettled(error);
        if (!isMovable(error) && !concernsSome) throw error;
        if (hasReencrypted || !isMovable(error)) {
          await this.#retireOthers(numbers, error);
          return;
        }
        // Rows were written under an older key after they had been re-encrypted.
        hasReencrypted = true;
        await this.attempt(() => this.#reencrypt());
      }
    }
  }

  async #reencrypt(): Promise<void> {
    if (this.#options.isDryRun === true) {
      this.#wouldDo(
        'reencryption-due',
        'It would re-encrypt rows under the current key.',
        step('reencrypt', '--dry-run'),
      );
      return;
    }
    const columns = await this.#rows.reencrypt();
    this.#reencrypted.push(...columns);
    this.#left = columns.reduce((sum, column) => sum + column.left, 0);
    if (columns.some(({ isFinished }) => !isFinished))
      this.#add('reencryption-stopped', 'Re-encryption was stopped. The next run continues it.', step('maintain'));
    for (const column of columns) {
      if (column.openWriters === undefined) continue;
      const text =
        `${ownedName(column)}: rows of transactions that are still open were not seen: ${column.openWriters}. ` +
        'Once they have ended, re-encrypt again.';
      this.#add('rows-unseen', text, step('reencrypt'));
    }
  }

  #hasUnread(numbers: readonly KeyNumber[]): boolean {
    return this.#seen !== undefined && unreadOf(this.#seen, numbers).length > 0;
  }

  /** Of a key's rows, and not of the secret, which is looked at before they are counted. */
  #isUnsettled(error: unknown): boolean {
    return this.#seen !== undefined && error instanceof TooEarly;
  }

  /** One row that cannot be re-encrypted or was just re-encrypted, or a key that cannot be read, must not hold up keys that no row needs. */
  async #retireOthers(numbers: readonly KeyNumber[], refusal: unknown): Promise<void> {
    const seen = this.#seen;
    const others = seen === undefined ? [] : numbers.filter((number) => isFree(seen, number, this.#deps.now()));
    this.#refused(refusal);
    if (others.length > 0 && others.length < numbers.length) await this.#retire(others);
  }

  async #retire(numbers: readonly KeyNumber[]): Promise<void> {
    this.#seen = undefined;
    const census = async (asked: readonly KeyNumber[]): Promise<CensusResult> => {
      this.#seen = await this.#rows.census(asked);
      return this.#seen;
    };
    const confirm = (): Promise<void> => {
      const mayGo = this.#mayRetire() && this.#options.isDryRun !== true;
      return mayGo ? Promise.resolve() : Promise.reject(new Proposal());
    };
    try {
      const { retired } = await runRetire({ ...this.#deps, confirm }, census, { numbers });
      this.#retired.push(...retired);
    } catch (error) {
      if (!(error instanceof Proposal)) throw error;
      this.#propose(numbers);
    }
  }

  /** Columns that were not counted are shown to a person, and no one is asked here. */
  #mayRetire(): boolean {
    return this.#options.retire === 'do' && (this.#seen?.unlisted ?? []).length === 0;
  }

  #propose(numbers: readonly KeyNumber[]): void {
    const { unlisted = [] } = this.#seen ?? {};
    this.#proposed = numbers;
    if (this.#mayRetire()) {
      this.#wouldDo('retirement-due', `It would retire ${keyList(numbers)}, which no counted row needs.`);
      return;
    }
    this.#add(
      'retire-proposed',
      `No counted row needs ${keyList(numbers)}.` +
        (unlisted.length === 0 ? '' : ` Not counted, though it looks encrypted: ${unlisted.join(', ')}.`),
      step('retire', ...numbers.map(String), ...(this.#options.accepted ?? [])),
    );
  }

  /**
   * A retirement record beside a label may be half a `restore`, unless nothing has changed the secret since: a person
   * decides, and `status` says so.
   */
  async #retirable(): Promise<readonly KeyNumber[]> {
    const { secret, ring } = await describedRing(this.#deps);
    const kept = newest(ring, this.#options.keep);
    const unclear = retirementRecords(secret.Tags).filter((one) => !hasPassedAgeCheck(one, secret.LastChangedDate));
    return retirableNumbers(ring).filter((number) => {
      const versionId = ring.versionOf.get(number) ?? '';
      return (
        !kept.has(versionId) &&
        ring.stages[versionId]?.includes(MOVING_LABEL) !== true &&
        unclear.every((record) => record.versionId !== versionId && record.number !== number)
      );
    });
  }

  #refused(error: unknown): void {
    // What AWS refuses may also be an outage.
    if (!isKeyRotationError(error) || exitCodeOf(error) !== 1 || error.code === 'AWS_REFUSED') throw error;
    if (this.#next.some(({ text }) => text === error.message)) return;
    this.#next.push({
      code: error.code,
      text: error.message,
      needsPerson: !isOneOf(error, PASSING) && !(this.#options.isDryRun === true && isMovable(error)),
      ...(error instanceof TooEarly ? { at: error.earliest.toISOString() } : {}),
      next: stepsAfter(error),
    });
  }

  #add(code: string, text: string, next: NextStep): void {
    this.#next.push({ code, text, needsPerson: true, next: [next] });
  }

  /** What a run without `--dry-run` does by itself. */
  #wouldDo(code: string, text: string, ...next: readonly NextStep[]): void {
    this.#next.push({ code, text, needsPerson: false, next });
  }

  /** A key that is back was restored by another process, unless the description is older than the retirement. */
  async #lastLook(): Promise<RingReport> {
    const report = await this.#report();
    if (!this.#retired.some((key) => isOnRing(report, key))) return report;
    await this.#deps.sleep(LONGEST_DELAY);
    return this.#report();
  }

  #report(): Promise<RingReport> {
    return readRingReport(this.#deps, { readsNumbered: true });
  }

  async result(): Promise<MaintainResult> {
    const report = await this.#lastLook();
    return {
      currentNumber: report.currentNumber,
      freeSlots: report.slots.free,
      adopted: this.#adopted,
      reencrypted: this.#reencrypted,
      ...(this.#seen === undefined ? {} : countedIn(this.#seen)),
      retired: this.#retired.filter((key) => !isOnRing(report, key)),
      proposed: this.#proposed,
      next: [
        ...leftRows(this.#left),
        ...this.#next.map((due) => orStuck(due, report, this.#deps.now())),
        ...warningsOf(report),
        ...nextRotation(report),
      ],
    };
  }
}

function leftRows(left: number): readonly Due[] {
  if (left === 0) return [];
  const text = `${left} rows were left untouched: census says what they need. Re-encrypt again once they can be read.`;
  return [{ code: 'rows-left', text, needsPerson: true, next: [step('census'), step('reencrypt')] }];
}

function countedIn({ counted, unlisted = [], skipped = [] }: CensusResult): Partial<MaintainResult> {
  return {
    counted,
    ...(unlisted.length === 0 ? {} : { unlisted }),
    ...(skipped.length === 0 ? {} : { skipped }),
  };
}

function isOnRing({ versions }: RingReport, { number, versionId }: RetiredKey): boolean {
  const label = numberingLabel(number);
  return versions.some((version) => version.versionId === versionId && version.labels.includes(label));
}

function newest(ring: RingLabels, keep: number): ReadonlySet<string> {
  const numbers = [...ring.versionOf].sort(([one], [other]) => other - one);
  return new Set(numbers.slice(0, keep).map(([, versionId]) => versionId));
}

/** As `retire` decides it. */
function isFree(seen: CensusResult, number: KeyNumber, now: Date): boolean {
  try {
    requireNoRows(seen, [number]);
    requireReadable(seen, [number]);
    requireSettled(seen, [number], now);
    return true;
  } catch (error) {
    if (isOneOf(error, ['ROWS_STILL_NEED_KEY', 'NO_CENSUS', 'TOO_EARLY_TO_RETIRE'])) return false;
    throw error;
  }
}

function isMovable(error: unknown): boolean {
  if (!(error instanceof CommandRefusal)) return false;
  return error.next.some((next) => typeof next !== 'string' && next.command === 'reencrypt');
}

function isOneOf(error: unknown, codes: readonly string[]): boolean {
  return isKeyRotationError(error) && codes.includes(error.code);
}

/** A rotation passes by itself. One that takes too long needs a person. */
function orStuck(due: Due, { versions }: RingReport, now: Date): Due {
  const pending = versions.find(({ state }) => state === 'pending');
  return due.code === 'ROTATION_UNDER_WAY' && takesTooLong(pending, now) ? { ...due, needsPerson: true } : due;
}

function warningsOf(report: RingReport): readonly Due[] {
  const warnings = notesOn(report).filter(({ weight }) => weight === 'warning');
  return warnings.map(({ code, text, next }) => ({ code, text, needsPerson: true, next }));
}

function nextRotation({ rotation }: RingReport): readonly Due[] {
  const { next: at } = rotation;
  if (at === undefined) return [];
  const text = `The next rotation begins by ${at.slice(0, 10)}. The run after it re-encrypts the rows.`;
  return [{ code: 'next-rotation', text, needsPerson: false, at, next: [] }];
}
