import { fork } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { buildProgram } from '../build/program.mjs';
import { ratiosOfTurns } from './ratios.mjs';

/*
 * Reading 1,000 rows, and writing 100, through an encrypted column of each library: beside the same library with a plain
 * column, whose values the program decrypts or encrypts itself with node:crypto, in the same layout and bound to the same
 * context. Ratios of one run: 1.0 is as fast. `npm run bench -- --only columns` builds first. Ends with 1 if reading
 * takes more than the target allows.
 *
 * The sides take turns in processes of their own and count their own processor time, so that each pays for its garbage and
 * for nothing else of the machine. In one process, the garbage of both was collected in one turn or the other. A process
 * stays a little fast or slow all its life, so there are several of each side.
 */

const LIBRARIES = ['Drizzle', 'Kysely', 'TypeORM'];
const KINDS = ['text in bytea', 'text in text', 'JSON in jsonb'];
const TARGET = 0.9;
const PAIRS = 4;
const ROUNDS = 104;
const isJson = process.argv.includes('--json');
const lines = [];

const { folder, file } = await buildProgram('bench', 'src/local/postgres/embedded-postgres.ts');
const { startPostgres } = await import(pathToFileURL(file).href);
const postgres = await startPostgres();
const pairs = Array.from({ length: PAIRS }, (_, pair) =>
  ['ours', 'plain'].map((side) => fork('bench/columns-side.mjs', [side, `${side}${pair}`, postgres.url])),
);
const sides = pairs.flat();
try {
  if (!isJson) console.log(`Node ${process.version}. Each line: our column, and how many times as fast as its like.`);
  for (const library of LIBRARIES)
    for (const kind of KINDS) {
      for (const side of sides) await ask(side, 'open', { library, kind });
      await line(`${library}, ${kind}: read 1000`, 'read', TARGET);
      await line(`${library}, ${kind}: write 100`, 'write');
    }
} finally {
  for (const side of sides) side.kill();
  await postgres.stop();
  await rm(folder, { recursive: true });
}
if (isJson) console.log(JSON.stringify({ node: process.version, arch: process.arch, lines }, undefined, 2));
process.exitCode = lines.every(({ isMet }) => isMet) ? 0 : 1;

function ask(side, question, about) {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error(`A side of the comparison ended while it was to ${question}.`));
    side.once('exit', ended).once('message', (answer) => {
      side.off('exit', ended);
      resolve(answer);
    });
    side.send({ question, ...about });
  });
}

async function line(title, what, target) {
  for (const side of sides) await ask(side, 'begin', { what });
  const measured = await ratiosOfTurns(
    pairs.map((pair) => pair.map((side) => () => ask(side, 'turn'))),
    ROUNDS,
  );
  const isMet = target === undefined || measured.ratio >= target;
  lines.push({ what: title, ...measured, target, isMet });
  if (isJson) return;
  const times = [measured.oursNanoseconds, measured.theirsNanoseconds].map((time) => `${(time / 1e6).toFixed(2)} ms`);
  const aim = target === undefined ? '' : `  ${isMet ? 'met' : 'MISSED'}: at least ${target.toFixed(2)}`;
  const [ratio, ...spread] = [measured.ratio, ...measured.spread].map((one) => one.toFixed(2));
  console.log(`${title.padEnd(40)} ${ratio} (${spread.join(' to ')})  ${times.join(' against ')}${aim}`);
}
