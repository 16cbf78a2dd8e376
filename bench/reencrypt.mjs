import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { buildProgram } from '../build/program.mjs';
import { CLI } from '../build/tool.mjs';
import { buildBaseline } from './baseline.mjs';

/** What --only may name. */
const PARTS = ['speed', 'census', 'rate', 'application', 'memory'];

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
  --only PART,…    only these of speed, census, rate, application, memory (default: all)
  --workers N,N    instead of all that: rows/s of so many workers at once on one PostgreSQL, and a census after each
  --in-docker      each worker in a container of its own, of the image of the Dockerfile (npm run build first)
  --base IMAGE     the image below it (default: the Dockerfile's)
  --json           one JSON object
`;

const options = parsed();
if (options?.workers !== undefined) await scaled(options);
else if (options !== undefined) await main(options);

function parsed() {
  try {
    const { values } = parseArgs({
      options: {
        rows: { type: 'string', default: '1000000' },
        'loop-rows': { type: 'string' },
        processes: { type: 'string', default: '1,2,4' },
        repeats: { type: 'string', default: '2' },
        seconds: { type: 'string', default: '20' },
        workers: { type: 'string' },
        'in-docker': { type: 'boolean', default: false },
        base: { type: 'string' },
        only: { type: 'string', default: PARTS.join(',') },
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
    if (values.workers !== undefined && !values.help) {
      const workers = values.workers.split(',').map((count) => whole('workers', count, 1, 16));
      return { rows, workers, isInDocker: values['in-docker'], base: values.base, json: values.json };
    }
    const seconds = whole('seconds', values.seconds, 1, 3600);
    if (seconds * RATE > rows) {
      throw new Error(`--seconds ${seconds} at ${RATE} rows/s needs --rows ${seconds * RATE} or more, got ${rows}`);
    }
    if (!processes.includes(1)) throw new Error(`--processes must have 1 among them, got '${values.processes}'`);
    const parts = values.only.split(',');
    const unknown = parts.find((part) => !PARTS.includes(part));
    if (unknown !== undefined) throw new Error(`--only knows ${PARTS.join(', ')}, got '${unknown}'`);
    if (!values.help) return { rows, loopRows, processes, repeats, seconds, parts, json: values.json };
    process.stdout.write(USAGE);
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
  return undefined;
}

async function main({ rows, loopRows, processes, repeats, seconds, parts, json }) {
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
      parts,
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

/** Rows a second by the number of workers. */
async function scaled({ rows, workers, isInDocker, base, json }) {
  const say = (line) => {
    if (!json) console.log(line);
  };
  const about = { node: process.version, processors: cpus().length, isInDocker };
  const { folder, file: program } = await buildProgram('bench', 'bench/reencrypt-program.ts', {
    'tally-thread': CLI['tally-thread'],
  });
  try {
    const image = isInDocker ? buildImage(base) : undefined;
    // The user of the image has to read it.
    await chmod(folder, 0o755);
    say(
      `${about.processors} processors; each worker is a ${isInDocker ? 'container' : `process of Node ${about.node}`}.`,
    );
    const { scale } = await import(pathToFileURL(program).href);
    const found = await scale({
      rows,
      workers,
      keys: [randomBytes(32), randomBytes(32)],
      thread: join(folder, 'tally-thread.mjs'),
      start: (orders) =>
        image === undefined ? startProcess(program, 'work', orders, []) : startContainer(image, program, orders),
      count: (orders) => startProcess(program, 'count', orders, []),
      say,
    });
    if (json) console.log(JSON.stringify({ ...about, rows, workers: found }, undefined, 2));
  } catch (error) {
    process.stderr.write(`MISSED: ${error.message}\n`);
    process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The image of the Dockerfile; its name. */
function buildImage(base) {
  const arguments_ = base === undefined ? [] : ['--build-arg', `BASE=${base}`];
  execFileSync('docker', ['build', '--quiet', ...arguments_, '--tag', 'pazpaz-keys:bench', '.'], { stdio: 'pipe' });
  return 'pazpaz-keys:bench';
}

/** The bench's program in a container: its rights and its Node are those of the image, its packages those of this folder. */
function startContainer(image, program, orders) {
  const inside = `/app/${relative(process.cwd(), program)}`;
  const mount = `${join(process.cwd(), 'node_modules')}:/app/node_modules:ro`;
  const options = [
    '--rm',
    '--interactive',
    '--network',
    'host',
    '--read-only',
    '--volume',
    mount,
    '--entrypoint',
    'node',
  ];
  const code = `const program = await import(${JSON.stringify(inside)}); await program.work();`;
  return answerOf(spawnWith('docker', ['run', ...options, image, '--input-type=module', '-e', code], orders), '');
}

/** A process of its own, stopped at the end of a batch once `over` is aborted; the keys are those of this bench alone, and go over its standard input. */
async function startProcess(program, act, orders, flags, over) {
  const code = `const program = await import(${JSON.stringify(pathToFileURL(program).href)}); await program.${act}();`;
  const child = spawnWith(process.execPath, [...flags, '--input-type=module', '-e', code], orders);
  over?.addEventListener('abort', () => child.kill('SIGTERM'));
  const why = flags.length === 0 ? '' : `, started with ${flags.join(' ')}: does its memory grow with the table?`;
  return await answerOf(child, why, () => over?.aborted === true && child.signalCode === 'SIGTERM');
}

function spawnWith(command, arguments_, orders) {
  const child = spawn(command, arguments_, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(orders));
  return child;
}

/**
 * What a process says at its end; `why`: what its failure may mean. `isStopped`: it may end without a word, as on a busy
 * machine before it has begun to listen for the signal.
 */
async function answerOf(child, why, isStopped = () => false) {
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [exitCode, signal] = await once(child, 'close');
  if (isStopped()) return undefined;
  if (exitCode !== 0) throw new Error(`A process ended with ${exitCode ?? signal}${why}`);
  return JSON.parse(output);
}
