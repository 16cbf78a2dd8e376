import { rm } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { buildProgram } from '../build/program.mjs';
import { processorTime, ratios } from './ratios.mjs';

/*
 * How long a census looks for ciphertexts inside a plaintext that looks like base64, beside a plaintext of words of the
 * same length and beside every attempt at every place. Ratios of one run: node bench/nested.mjs
 */

const { folder, file } = await buildProgram('nested', 'bench/nested-work.ts');
try {
  const { works } = await import(pathToFileURL(file).href);
  for (const { name, length, search, everyAttempt, words } of await works()) {
    const beside = await ratios(search, everyAttempt, processorTime);
    const ofWords = await ratios(search, words, processorTime);
    process.stdout.write(
      `${name}, ${length} characters: ${(beside.oursNanoseconds / 1000).toFixed(1)} µs, ` +
        `${beside.ratio.toFixed(1)} times as fast as every attempt, ${(1 / ofWords.ratio).toFixed(1)} times the time of words\n`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
