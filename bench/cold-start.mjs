import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';

/** Tells the parent of the answer over a pipe of its own, before the process is taken down. */
const RUN_STEP = `
const { handler } = require(process.env.BUNDLE);
const context = { functionName: 'bench', getRemainingTimeInMillis: () => 30000 };
handler(JSON.parse(process.env.EVENT), context).then(
  () => { require('node:fs').writeSync(3, '.'); process.exit(0); },
  (error) => { console.error(error); process.exit(1); },
);`;

/**
 * Median milliseconds by name, of bare Node and of each bundle's first step. The candidates take turns, so that a slow
 * spell of the machine meets all of them.
 */
export async function measureInTurn(bundles, { event, environment }, times) {
  const candidates = new Map([['node -e 0', () => bareNode()]]);
  for (const [name, bundle] of Object.entries(bundles)) {
    const env = { ...environment, BUNDLE: bundle, EVENT: JSON.stringify(event) };
    candidates.set(name, () => firstStep(name, env));
  }
  const measured = new Map([...candidates.keys()].map((name) => [name, []]));
  for (const run of candidates.values()) await run(); // once for the disk's cache
  for (let i = 0; i < times; i++) {
    for (const [name, run] of candidates) measured.get(name).push(await run());
  }
  return new Map([...measured].map(([name, values]) => [name, median(values)]));
}

/** From the start of the process to its end. */
function bareNode() {
  const start = performance.now();
  const child = spawn(process.execPath, ['-e', '0'], { env: {}, stdio: 'ignore' });
  return new Promise((resolve) => child.once('exit', () => resolve(performance.now() - start)));
}

/** From the start of the process to the answer of the step. */
async function firstStep(name, env) {
  const start = performance.now();
  const child = spawn(process.execPath, ['-e', RUN_STEP], { env, stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
  let answered;
  child.stdio[3].once('data', () => (answered = performance.now() - start));
  await new Promise((resolve) => child.once('close', resolve));
  if (answered === undefined) throw new Error(`${name}: the step failed`);
  return answered;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  return (sorted[Math.floor(last / 2)] + sorted[Math.ceil(last / 2)]) / 2;
}
