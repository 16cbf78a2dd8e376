import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { measureInTurn } from './cold-start.mjs';
import { prepareStep } from './prepared-step.mjs';

/*
 * Size and cold start of the built Lambda: from the start of a Node process to the answer of its first step, setSecret on
 * a secret with nothing left to number, against the local Secrets Manager. Medians, the candidates taken in turn.
 * `npm run bench -- --only bundle` builds first.
 */

const { json, runs } = parseArgs({
  options: { json: { type: 'boolean' }, runs: { type: 'string', default: '25' } },
}).values;
await main(Number(runs));

async function main(times) {
  const folder = await mkdtemp(join(tmpdir(), 'bundle-bench-'));
  const step = await prepareStep();
  try {
    const bundles = {
      'this bundle': resolve('dist/lambda/handler.js'),
      'untrimmed, minified': await untrimmed(join(folder, 'minified.cjs'), { minify: true }),
      untrimmed: await untrimmed(join(folder, 'plain.cjs')),
    };
    const medians = await measureInTurn(bundles, step, times);
    const bare = medians.get('node -e 0');
    const results = await Promise.all(
      [...medians].map(async ([name, milliseconds]) => ({
        name,
        bytes: bundles[name] === undefined ? undefined : (await stat(bundles[name])).size,
        milliseconds,
        toBareNode: milliseconds / bare,
      })),
    );
    report({ node: process.version, platform: `${process.platform} ${process.arch}`, runs: times, results });
  } finally {
    await step.close();
    await rm(folder, { recursive: true });
  }
}

/** This code as esbuild bundles it by default. */
async function untrimmed(outfile, options = {}) {
  await build({
    entryPoints: ['src/handler.ts'],
    bundle: true,
    platform: 'node',
    outfile,
    logLevel: 'error',
    ...options,
  });
  return outfile;
}

function report({ node, platform, runs, results }) {
  if (json) {
    console.log(JSON.stringify({ node, platform, runs, results }, undefined, 2));
    return;
  }
  console.log(`Node ${node}, ${platform}, medians of ${runs} runs in turn\n`);
  console.log(row('', 'bytes', 'cold start', 'to bare Node'));
  for (const { name, bytes, milliseconds, toBareNode } of results) {
    console.log(row(name, bytes ?? '', `${milliseconds.toFixed(1)} ms`, toBareNode.toFixed(2)));
  }
  const [ours, plain] = ['this bundle', 'untrimmed'].map((name) => results.find((result) => result.name === name));
  console.log(`\nthis bundle to the untrimmed one: ${(ours.milliseconds / plain.milliseconds).toFixed(2)}`);
}

function row(name, ...cells) {
  return name.padEnd(20) + cells.map((cell) => String(cell).padStart(14)).join('');
}
