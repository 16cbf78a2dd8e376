import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

/*
 * How fast rows are re-encrypted, on a PostgreSQL of its own that waits for the disk at each commit, beside the loop that
 * people write: read a row, open it, encrypt it, update it. All in one run, on tables of the same rows.
 *
 *   node bench/reencrypt.mjs [--rows 1000000] [--loop-rows 1000000] [--processes 1,2,4]
 *
 * `--loop-rows`: how many rows of the same table the loop does (its rate does not depend on it). Ends with 1 if it is
 * less than 5 times as fast with one process, or uses more memory for all rows than for a tenth of them.
 */

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    'loop-rows': { type: 'string' },
    processes: { type: 'string', default: '1,2,4' },
    worker: { type: 'string' },
  },
});
const rows = Number(values.rows);
const loopRows = Number(values['loop-rows'] ?? rows);

const folder = await mkdtemp(join(process.cwd(), 'node_modules', '.bench-'));
try {
  await build({
    entryPoints: { program: 'bench/reencrypt-program.ts' },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  });
  const program = await import(pathToFileURL(join(folder, 'program.mjs')).href);
  const isFast = await program.compare({
    rows,
    loopRows,
    processes: values.processes.split(',').map(Number),
    keys: [randomBytes(32), randomBytes(32)],
    start: (orders) => startProcess(join(folder, 'program.mjs'), orders),
  });
  console.log(`${cpus().length} processors: ${cpus()[0]?.model ?? ''}; Node ${process.version}.`);
  process.exitCode = isFast ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** A process of its own; the keys are those of this bench alone, and go over its standard input. */
async function startProcess(program, orders) {
  const code = `const program = await import(${JSON.stringify(pathToFileURL(program).href)}); await program.work();`;
  const flags = ['--input-type=module', ...(orders.isCollecting ? ['--expose-gc'] : [])];
  const child = spawn(process.execPath, [...flags, '-e', code], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(orders));
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code_] = await once(child, 'exit');
  if (code_ !== 0) throw new Error(`A process ended with ${code_}`);
  return JSON.parse(output);
}
