import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { buildProgram } from '../build/program.mjs';

const USAGE = `node bench/reencrypt.mjs [OPTIONS]

How fast rows are re-encrypted, on a PostgreSQL of its own that waits for the disk at each commit, beside the loop that
people write: read a row, open it, encrypt it, update it. All in one run, on tables of the same rows; then the memory of a
process for a tenth of the rows and for all of them. Ends with 1 if one process is less than 5 times as fast as the loop,
or needs more memory for all rows than for a tenth.

  --rows N         rows of the table, from 1000 (default: 1000000)
  --loop-rows N    rows that the loop does of it (default: all of them, which takes most of half an hour; its rate hardly
                   depends on it: 20000 take a minute)
  --processes N,N  how many processes at once, one after the other; the targets need 1 among them (default: 1,2,4)
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
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const whole = (name, text, least, most) => {
      const value = Number(text);
      if (/^\d{1,10}$/.test(text) && value >= least && value <= most) return value;
      throw new Error(`--${name} must be a whole number from ${least} to ${most}, got '${text}'`);
    };
    const rows = whole('rows', values.rows, 1000, 100_000_000);
    const loopRows = whole('loop-rows', values['loop-rows'] ?? values.rows, 1, rows);
    const processes = values.processes.split(',').map((count) => whole('processes', count, 1, 16));
    if (!processes.includes(1)) throw new Error(`--processes must have 1 among them, got '${values.processes}'`);
    if (!values.help) return { rows, loopRows, processes, json: values.json };
    process.stdout.write(USAGE);
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
  return undefined;
}

async function main({ rows, loopRows, processes, json }) {
  const say = (line) => {
    if (!json) console.log(line);
  };
  const about = { node: process.version, processors: cpus().length, processor: cpus()[0]?.model ?? '' };
  say(`Node ${about.node}, ${about.processors} processors: ${about.processor}.`);
  const { folder, file: program } = await buildProgram('bench', 'bench/reencrypt-program.ts');
  try {
    const { compare } = await import(pathToFileURL(program).href);
    const measured = await compare({
      rows,
      loopRows,
      processes,
      keys: [randomBytes(32), randomBytes(32)],
      start: (orders, flags = []) => startProcess(program, orders, flags),
      say,
    });
    if (json) console.log(JSON.stringify({ ...about, ...measured }, undefined, 2));
    process.exitCode = measured.targets.every(({ isMet }) => isMet) ? 0 : 1;
  } catch (error) {
    process.stderr.write(`MISSED: ${error.message}\n`);
    process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A process of its own; the keys are those of this bench alone, and go over its standard input. */
async function startProcess(program, orders, flags) {
  const code = `const program = await import(${JSON.stringify(pathToFileURL(program).href)}); await program.work();`;
  const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', code], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
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
