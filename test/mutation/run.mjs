import { performance } from 'node:perf_hooks';
import { runSuite } from './suite.mjs';

/* The mutation suite without mutants: which tests it has, and how long the slowest take. */

for (const round of [1, 2]) {
  const begin = performance.now();
  const { results, brokenBy } = await runSuite({ goesOn: true });
  const failed = results.filter(({ error }) => error !== undefined);
  for (const { name, error } of failed) console.error(`${name}\n${error?.stack ?? error}\n`);
  if (brokenBy !== undefined) console.error(brokenBy);
  if (failed.length > 0 || brokenBy !== undefined) process.exitCode = 1;
  if (round === 2) {
    const slowest = results.toSorted((one, other) => other.milliseconds - one.milliseconds).slice(0, 25);
    for (const { name, milliseconds } of slowest) console.log(`${milliseconds.toFixed(0).padStart(5)} ms ${name}`);
  }
  console.log(
    `${results.length - failed.length} passed, ${failed.length} failed in ${(performance.now() - begin).toFixed(0)} ms`,
  );
}
