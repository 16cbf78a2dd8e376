import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { buildProgram } from '../build/program.mjs';
import { CLI } from '../build/tool.mjs';
import { buildBaseline } from './baseline.mjs';

/** Rows a second of the measured brake. */
const RATE = 2000;

const USAGE = `node bench/reencrypt.mjs [OPTIONS]

How fast rows are re-encrypted, on a PostgreSQL of its own that waits for the disk at each commit, beside the loop that
people write (read a row, open it, encrypt it, update it) and beside the state e6f8aa1 of this repository, whose history
has to be there. All in one run, on tables of the same rows; then the rate that --max-rows-per-second ${RATE} keeps, what an
application's updates take meanwhile, and the memory of a process for a tenth of the rows and for all of them. Ends with 1
if a target is missed: it prints them.

  --rows N         rows of the table, at least ${RATE} for each of --seconds (default: 1000000)
  --loop-rows N    rows that the loop does of it (default: all of them, which takes most of half an hour; its rate hardly
                   depends on it: 20000 take a minute)
  --processes N,N  how many processes at once, one after the other; the targets need 1 among them (default: 1,2,4)
  --repeats N      how often each is measured that is compared with another, in turn; the fastest counts (default: 2)
  --seconds N      how long the rate and the application are measured, each (default: 20)
  --json           one JSON object
`;

const options = parsed();
if (options !== undefined) await main(options);

function parsed() {
  try {
    const { values } = parseArgs({
      options: {
        rows: { type: 'string', default: '1000000' },
        'loop-rows': { type: 'string' },
        processes: { type: 'string', default: '1,2,4' },
        repeats: { type: 'string', default: '2' },
        seconds: { type: 'string', default: '20' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const whole = (name, text, least, most) => {
      const value = Number(text);
      if (/^\d{1,10}$/.test(text) && value >= least && value <= most) return value;
      throw new Error(`--${name} must be a whole number from ${least} to ${most}, got '${text}'`);
    };
    const rows = whole('rows', values.rows, RATE, 100_000_000);
    const loopRows = whole('loop-rows', values['loop-rows'] ?? values.rows, 1, rows);
    const processes = values.processes.split(',').map((count) => whole('processes', count, 1, 16));
    const repeats = whole('repeats', values.repeats, 1, 20);
    const seconds = whole('seconds', values.seconds, 1, 3600);
    if (seconds * RATE > rows) {
      throw new Error(`--seconds ${seconds} at ${RATE} rows/s needs --rows ${seconds * RATE} or more, got ${rows}`);
    }
    if (!processes.includes(1)) throw new Error(`--processes must have 1 among them, got '${values.processes}'`);
    if (!values.help) return { rows, loopRows, processes, repeats, seconds, json: values.json };
    process.stdout.write(USAGE);
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
  return undefined;
}

async function main({ rows, loopRows, processes, repeats, seconds, json }) {
  const say = (line) => {
    if (!json) console.log(line);
  };
  const about = { node: process.version, processors: cpus().length, processor: cpus()[0]?.model ?? '' };
  say(`Node ${about.node}, ${about.processors} processors: ${about.processor}.`);
  const { folder, file: program } = await buildProgram('bench', 'bench/reencrypt-program.ts', {
    'tally-thread': CLI['tally-thread'],
  });
  const folders = [folder];
  try {
    const baseline = await buildBaseline();
    folders.push(baseline.folder);
    const { compare } = await import(pathToFileURL(program).href);
    const measured = await compare({
      rows,
      loopRows,
      processes,
      keys: [randomBytes(32), randomBytes(32)],
      thread: join(folder, 'tally-thread.mjs'),
      repeats,
      seconds,
      rate: RATE,
      start: (orders, flags = [], over) => startProcess(program, 'work', orders, flags, over),
      startBaseline: (orders) => startProcess(baseline.file, 'work', orders, []),
      count: (orders) => startProcess(program, 'count', orders, []),
      countBaseline: (orders) => startProcess(baseline.file, 'count', orders, []),
      say,
    });
    if (json) console.log(JSON.stringify({ ...about, ...measured }, undefined, 2));
    process.exitCode = measured.targets.every(({ isMet }) => isMet) ? 0 : 1;
  } catch (error) {
    process.stderr.write(`MISSED: ${error.message}\n`);
    process.exitCode = 1;
  } finally {
    for (const each of folders) await rm(each, { recursive: true, force: true });
  }
}

/** A process of its own, stopped at the end of a batch once `over` is aborted; the keys are those of this bench alone, and go over its standard input. */
async function startProcess(program, act, orders, flags, over) {
  const code = `const program = await import(${JSON.stringify(pathToFileURL(program).href)}); await program.${act}();`;
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', code], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  over?.addEventListener('abort', () => child.kill('SIGTERM'));
  child.stdin.end(JSON.stringify(orders));
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [exitCode, signal] = await once(child, 'exit');
  if (exitCode !== 0) {
    const why = flags.length === 0 ? '' : `, started with ${flags.join(' ')}: does its memory grow with the table?`;
    throw new Error(`A process ended with ${exitCode ?? signal}${why}`);
  }
  return JSON.parse(output);
}
