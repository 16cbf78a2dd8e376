import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { giveCredentials } from '../../cli/support/operator.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { crashRound } from './support/crash-round.ts';
import { olderDataRound } from '../support/older-round.ts';
import { nonceOf } from '../support/older-rows.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';
import { Program } from './support/processes.ts';
import { Random } from '../support/random.ts';

/** In a small form what `npm run soak` does for a minute; `SEED=…` makes the same choices again. */
const seed = Number(process.env['SEED'] ?? randomInt(2 ** 32));
const random = new Random(seed);
/** So many that a process is far from done when it is killed, on a machine that is several times as fast as well. */
const SMALL = { rows: 5000, writers: 1, batchRows: 25, rangeRows: 500, brakes: {}, isPausedAtTimes: false };

/** Of each older form. As many as there are first bytes; the soak has 100,000. */
const OLDER_ROWS = 256;

let postgres: Postgres;
let program: Program;
beforeAll(async () => {
  giveCredentials();
  [postgres, program] = await Promise.all([startPostgres(), Program.build()]);
});
afterAll(async () => {
  await stopServices();
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

it('older data of every form and every first byte opens after reencrypt and retire 1', async () => {
  expect(new Set(Array.from({ length: OLDER_ROWS }, (_, index) => nonceOf(index + 1)[0])).size).toBe(256);
  const folder = mkdtempSync(join(tmpdir(), 'pazpaz-keys-'));
  try {
    await olderDataRound(postgres, OLDER_ROWS, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
