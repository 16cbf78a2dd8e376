import { giveCredentials } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { crashRound, type Round } from '../job/support/crash-round.ts';
import { olderDataRound } from './older-round.ts';
import { OLDER_FORMS } from './older-rows.ts';
import { startPostgres, type Postgres } from './postgres.ts';
import { Program } from '../job/support/processes.ts';
import { ROTATED_ACCESS, RotatedRole } from './rotated-role.ts';
import { Random } from './random.ts';

/** What `npm run soak` is told. */
export interface SoakOrders {
  /** How long processes work under kills, at least. */
  readonly seconds: number;
  readonly rows: number;
  /** Rows of each older form. */
  readonly olderRows: number;
  readonly seed: number;
}

/**
 * Kills re-encryption beside applications that write throughout, a process alone and four at once in turn; then brings
 * rows of every older form through reencrypt and retire. `folder`: for what it writes. Prints what happened. Gives
 * whether all held.
 */
export async function soak({ seconds, rows, olderRows, seed }: SoakOrders, folder: string): Promise<boolean> {
  console.log(`Seed ${seed}: npm run soak -- --seed ${seed} makes the same choices again.`);
  giveCredentials();
  const [postgres, program] = await Promise.all([startPostgres({ access: [ROTATED_ACCESS] }), Program.build()]);
  const role = await RotatedRole.make(postgres);
  const work = async () => {
    await killForAWhile({ postgres, program, role, random: new Random(seed), rows, seconds });
    // It belongs to the role, which another one does not trust.
    await postgres.client.query('DROP SCHEMA pazpaz_keys CASCADE');
    await olderDataRound(postgres, olderRows, folder, (what) => {
      console.log(`Older data: ${what}.`);
    });
    console.log(
      `Older data: ${OLDER_FORMS.length} forms of ${olderRows} rows, every first byte among them; after reencrypt and ` +
        'retire 1 all of them open under key 2.',
    );
  };
  try {
    await Promise.race([work(), interruption()]);
    return true;
  } catch (error) {
    console.error(error);
    console.error(`Failed with seed ${seed}.`);
    return false;
  } finally {
    await stopServices();
    program.remove();
    role.remove();
    await postgres.stop();
  }
}

/** Rejects on Ctrl-C, so that the database and the processes are not left behind. */
async function interruption(): Promise<never> {
  const signal = await new Promise<string>((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve));
  throw new Error(`Broken off by ${signal}.`);
}

interface Killing {
  readonly postgres: Postgres;
  readonly program: Program;
  readonly role: RotatedRole;
  readonly random: Random;
  readonly rows: number;
  readonly seconds: number;
}

async function killForAWhile({ postgres, program, role, random, rows, seconds }: Killing): Promise<void> {
  const sum = { seconds: 0, kills: 0, writes: 0, handled: 0, needless: 0 };
  for (let number = 1; number <= 2 || sum.seconds < seconds; number += 1) {
    const round = {
      ...roundOf(random, rows, number % 2 === 0 ? 4 : 1),
      ...{ isPausedAtTimes: number % 3 === 0, role, isRotatedAtTimes: number % 4 < 2 },
    };
    const changes = role.changes;
    const report = await crashRound(postgres, program, random.fork(), round);
    sum.seconds += report.seconds;
    sum.kills += report.kills;
    sum.writes += report.writes;
    sum.handled += report.handled;
    sum.needless += report.needless;
    console.log(
      `Round ${number}: ${round.processes} process${round.processes === 1 ? '' : 'es'} in batches of ${round.batchRows}, ` +
        `${report.seconds.toFixed(1)} s, ${report.kills} kills, ${role.changes - changes} other passwords, ${report.writes} rows written by the applications, ` +
        `${report.handled} handled, ${report.needless} needlessly; all ${report.rowsAtEnd} hold what was written last.`,
    );
  }
  console.log(
    `In ${sum.seconds.toFixed(0)} s: ${sum.kills} kills, ${role.changes} changes of the password, ${sum.writes} rows written meanwhile, ${sum.handled} handled, ` +
      `${sum.needless} of them needlessly, none lost.`,
  );
  if (sum.needless > 0) throw new Error(`${sum.needless} rows were written although they were under the current key.`);
}

function roundOf(random: Random, rows: number, processes: number): Round {
  const lives = Array.from({ length: random.between(2, 9) }, () => random.between(250, 1500));
  return {
    rows,
    writers: 4,
    batchRows: [50, 200, 2000][random.between(0, 3)] ?? 2000,
    rangeRows: [1000, 20_000][random.between(0, 2)] ?? 20_000,
    brakes: [{}, { batchMilliseconds: 50, maxRowsPerSecond: 20_000, waitsForLocks: true }][random.between(0, 2)] ?? {},
    isPausedAtTimes: false,
    processes,
    lives,
  };
}
