import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { giveCredentials } from '../cli/operator.ts';
import { stopServices } from '../local/running-service.ts';
import { crashRound, type Round } from './crash-round.ts';
import { olderDataRound } from './older-round.ts';
import { OLDER_FORMS } from './older-rows.ts';
import { startPostgres, type Postgres } from './postgres.ts';
import { Program } from './processes.ts';
import { Random } from './random.ts';

const OPTIONS = {
  seconds: { type: 'string', default: '60' },
  rows: { type: 'string', default: '100000' },
  'older-rows': { type: 'string', default: '100000' },
  seed: { type: 'string' },
} as const;

/**
 * Kills re-encryption for `--seconds` of work beside applications that write throughout, a process alone and four at
 * once in turn, on `--rows` rows each time; then brings `--older-rows` rows of every older form through reencrypt and
 * retire. `--seed` makes the same choices again: what they meet is up to the machine. `folder`: for what it writes.
 * Prints what happened. Gives whether all held.
 */
export async function soak(args: readonly string[], folder: string): Promise<boolean> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const seed = Number(values.seed ?? randomInt(2 ** 32));
  console.log(`Seed ${seed}: npm run soak -- --seed ${seed} makes the same choices again.`);
  giveCredentials();
  const [postgres, program] = await Promise.all([startPostgres(), Program.build()]);
  try {
    await killForAWhile(postgres, program, new Random(seed), Number(values.rows), Number(values.seconds));
    const older = Number(values['older-rows']);
    await olderDataRound(postgres, older, folder);
    console.log(
      `Older data: ${OLDER_FORMS.length} forms of ${older} rows, every first byte among them; after reencrypt and ` +
        'retire 1 all of them open under key 2.',
    );
    return true;
  } catch (error) {
    console.error(error);
    console.error(`Failed with seed ${seed}.`);
    return false;
  } finally {
    await stopServices();
    program.remove();
    await postgres.stop();
  }
}

async function killForAWhile(
  postgres: Postgres,
  program: Program,
  random: Random,
  rows: number,
  seconds: number,
): Promise<void> {
  const sum = { seconds: 0, kills: 0, writes: 0, handled: 0, needless: 0 };
  for (let number = 1; number <= 2 || sum.seconds < seconds; number += 1) {
    const round = roundOf(random, rows, number % 2 === 0 ? 4 : 1);
    const report = await crashRound(postgres, program, random.fork(), round);
    sum.seconds += report.seconds;
    sum.kills += report.kills;
    sum.writes += report.writes;
    sum.handled += report.handled;
    sum.needless += report.needless;
    console.log(
      `Round ${number}: ${round.processes} process${round.processes === 1 ? '' : 'es'} in batches of ${round.batchRows}, ` +
        `${report.seconds.toFixed(1)} s, ${report.kills} kills, ${report.writes} rows written by the applications, ` +
        `${report.handled} handled, ${report.needless} needlessly; all ${report.rowsAtEnd} hold what was written last.`,
    );
  }
  console.log(
    `In ${sum.seconds.toFixed(0)} s: ${sum.kills} kills, ${sum.writes} rows written meanwhile, ${sum.handled} handled, ` +
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
    processes,
    lives,
  };
}
