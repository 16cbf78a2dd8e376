import { randomInt } from 'node:crypto';
import { crashRound } from './support/crash-round.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';
import { Program } from './support/processes.ts';
import { Random } from '../support/random.ts';

/** In a small form what `npm run soak` does for a minute; `SEED=…` makes the same choices again. */
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 32));
const random = new Random(seed);
/** So many that a process is far from done when it is killed, on a machine that is several times as fast as well. */
const SMALL = { rows: 5000, writers: 1, batchRows: 25, rangeRows: 500, brakes: {}, isPausedAtTimes: false };

let postgres: Postgres;
let program: Program;
beforeAll(async () => {
  [postgres, program] = await Promise.all([startPostgres(), Program.build()]);
});
afterAll(async () => {
  program.remove();
  await postgres.stop();
});

describe(`beside an application that writes to the same rows (SEED=${seed})`, () => {
  it('a process killed at random moments and begun again loses nothing and handles no row needlessly', async () => {
    const lives = Array.from({ length: 4 }, () => random.between(250, 600));
    const report = await crashRound(postgres, program, random, { ...SMALL, processes: 1, lives });
    expect(report).toMatchObject({ needless: 0 });
    expect(report.kills).toBeGreaterThan(0);
    expect(report.writes).toBeGreaterThan(10);
    expect(report.handled).toBeGreaterThan(2500);
  });

  it('four processes at once, one of them killed, with brakes and pauses, share the rows and lose nothing', async () => {
    const lives = [random.between(300, 500)];
    const brakes = { maxRowsPerSecond: 20_000, batchMilliseconds: 20, waitsForLocks: true };
    const round = { ...SMALL, batchRows: 50, processes: 4, lives, brakes, isPausedAtTimes: true };
    const report = await crashRound(postgres, program, random, round);
    expect(report).toMatchObject({ needless: 0, kills: 1 });
    expect(report.writes).toBeGreaterThan(10);
    expect(report.handled).toBeGreaterThan(2500);
  });
});
