import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { FULL_SPEED, type Brakes } from '../../../../src/postgres/job/brakes.ts';
import { Application } from '../../support/application.ts';
import { Clinic } from '../../support/clinic.ts';
import { needlessHandlings, watchHandling } from '../../support/handling.ts';
import type { Postgres } from '../../support/postgres.ts';
import type { Orders } from './process-orders.ts';
import type { Program } from './processes.ts';
import type { RotatedRole } from '../../support/rotated-role.ts';
import type { Random } from '../../support/random.ts';

/** What a round is made of. */
export interface Round {
  readonly rows: number;
  /** How many applications write at the same time. */
  readonly writers: number;
  readonly batchRows: number;
  readonly rangeRows: number;
  /** Processes at once; the first is killed and begun again until it is left to live. */
  readonly processes: number;
  /** Milliseconds that the first process is given, one life after the other; then it may live. */
  readonly lives: readonly number[];
  /** Brakes that are on; the others are off. */
  readonly brakes: Partial<Brakes>;
  /** Whether the job is paused now and then. */
  readonly isPausedAtTimes: boolean;
  /** The role that the processes log in as; default: the superuser, without a password. */
  readonly role?: RotatedRole;
  /** Whether the password of `role` changes now and then. */
  readonly isRotatedAtTimes?: boolean;
}

/** What happened in it. */
export interface RoundReport {
  /** How long the processes worked and the applications wrote. */
  readonly seconds: number;
  readonly kills: number;
  readonly writes: number;
  readonly rowsAtEnd: number;
  readonly handled: number;
  /** Rows written although they were under the current key already: see `needlessHandlings`. */
  readonly needless: number;
}

const SPEC = { table: 'patients', column: 'notes', context: 'patients:{id}:notes' };
const contextOf = (id: number) => `patients:${id}:notes`;

/**
 * Fills a table with rows under key 1 and brings them to key 2 by processes of which some are killed, while
 * applications write, add, delete and hold rows of it all the time. Throws an `AssertionError` unless every row then
 * decrypts to what was last written, in its own context and under key 2, and the census shows nothing else.
 */
export async function crashRound(
  postgres: Postgres,
  program: Program,
  random: Random,
  round: Round,
): Promise<RoundReport> {
  const clinic = await Clinic.withKeys(postgres, 2);
  const applications = await fill(clinic, random, round);
  await watchHandling(clinic);
  if (round.role !== undefined) await clinic.sql('GRANT ALL ON patients, handled TO worker');
  const orders: Orders = {
    url: round.role?.url ?? postgres.url,
    ...(round.role === undefined ? {} : { passwordFile: round.role.passwordFile }),
    specs: [SPEC],
    keys: [1, 2].map((number) => clinic.world.keyOf(number).toString('base64')),
    options: {
      triggers: 'fire',
      batchRows: round.batchRows,
      rangeRows: round.rangeRows,
      brakes: { ...FULL_SPEED, ...round.brakes },
    },
  };
  const start = performance.now();
  const writing = applications.map((application) => application.run());
  const others = Array.from({ length: round.processes - 1 }, () => program.runKilled(orders, () => undefined));
  const working = [program.runKilled(orders, (attempt) => round.lives[attempt]), ...others];
  const over = new AbortController();
  const pausing = round.isPausedAtTimes ? pauseAtTimes(clinic, random.fork(), over.signal) : Promise.resolve();
  const rotating = round.isRotatedAtTimes === true ? round.role?.changeAtTimes(random.fork(), over.signal) : undefined;
  const [kills = 0] = await Promise.all(working).finally(async () => {
    over.abort();
    await Promise.all([pausing, rotating]);
    for (const application of applications) application.stop();
    await Promise.all(writing);
  });
  const seconds = (performance.now() - start) / 1000;
  const rowsAtEnd = await requireNothingLost(clinic, new Map(applications.flatMap(({ texts }) => [...texts])));
  const [{ handled } = { handled: 0 }] = await clinic.sql<{ handled: number }>(
    'SELECT count(*)::int AS handled FROM handled',
  );
  return {
    seconds,
    kills,
    writes: applications.reduce((total, { writes }) => total + writes, 0),
    rowsAtEnd,
    handled,
    needless: (await needlessHandlings(clinic)).length,
  };
}

async function pauseAtTimes(clinic: Clinic, random: Random, over: AbortSignal): Promise<void> {
  const wait = () => sleep(random.between(100, 1500), undefined, { signal: over }).catch(() => undefined);
  // The first process makes the table.
  const set = (isPaused: boolean) =>
    clinic.sql('UPDATE pazpaz_keys.brake SET is_paused = $1', [isPaused]).catch(() => undefined);
  while (!over.aborted) {
    await wait();
    await set(true);
    await wait();
    await set(false);
  }
}

/** The table, and applications that share its rows out among them. */
async function fill(clinic: Clinic, random: Random, { rows, writers }: Round): Promise<readonly Application[]> {
  await clinic.sql('DROP TABLE IF EXISTS patients');
  await clinic.sql('CREATE TABLE patients (id int PRIMARY KEY, notes bytea)');
  const shares = Array.from({ length: writers }, () => new Map<number, string>());
  for (let from = 0; from < rows; from += 10_000) {
    // Gaps between the ids, for rows that are added.
    const ids = Array.from({ length: Math.min(10_000, rows - from) }, (_, index) => (from + index) * 3 + 1);
    for (const [index, id] of ids.entries()) shares[(from + index) % writers]?.set(id, `note ${id}`);
    await clinic.sql('INSERT INTO patients SELECT * FROM unnest($1::int[], $2::bytea[])', [
      ids,
      ids.map((id) => clinic.row(`note ${id}`, 1, contextOf(id))),
    ]);
  }
  return shares.map((texts) => new Application(clinic, texts, 2, contextOf, random.fork(), 3 * writers));
}

async function requireNothingLost(clinic: Clinic, texts: ReadonlyMap<number, string>): Promise<number> {
  const stored = await clinic.values('patients');
  assert.deepEqual(
    [...stored.keys()],
    [...texts.keys()].sort((one, other) => one - other),
  );
  for (const [id, row] of stored) {
    assert(Buffer.isBuffer(row));
    assert.equal(clinic.open(row, 2, contextOf(id)), texts.get(id));
  }
  const { rows, numbered, unnumbered, legacy, unreadable } = await clinic.census(SPEC);
  assert.deepEqual(
    { rows, numbered, unnumbered, legacy, unreadable },
    {
      rows: texts.size,
      numbered: { 2: texts.size },
      unnumbered: {},
      legacy: {},
      unreadable: 0,
    },
  );
  return texts.size;
}
