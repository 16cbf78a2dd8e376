import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import * as circus from 'jest-circus';
import { expect } from 'expect';
import fc from 'fast-check';
import { Modules } from './modules.mjs';

/** Folders whose tests judge the mutated code, without the files that need a process, a database, HTTP or the SDK. */
const FOLDERS = {
  'test/format': ['nonce-instances'],
  'test/secret': ['secrets-manager'],
  'test/steps': ['handler', 'unreadable-answers'],
  'test/rotation': ['secrecy', 'promise.property', 'many-rotations.wide'],
};

/** Files of folders that mostly need one of these. */
const FILES = [
  ...[
    'commands/retire',
    'commands/retire-again',
    'commands/retire-descriptions',
    'commands/rollback',
    'commands/restore',
    'commands/restore-interrupted',
    'commands/restore-ring',
    'move/move',
    'move/move-attacked.wide',
    'ring/retire-checks',
    'ring/ring-helpers',
    'ring/ring-screens',
  ].map((name) => `test/cli/${name}.test.ts`),
  'test/postgres/job/plan-rows.test.ts',
];

/** Their ends: tests of those files that need the SDK itself, for its retries or for a header of the answer. */
const LEFT_OUT = [
  'by the clock of AWS, however wrong the one of this machine is',
  'says which key is current now, where the answer to its move got lost',
];

function filesOf() {
  const inFolders = Object.entries(FOLDERS).flatMap(([folder, left]) =>
    readdirSync(folder, { recursive: true })
      .filter((name) => name.endsWith('.test.ts') && !left.includes(name.replace('.test.ts', '')))
      .map((name) => join(folder, name)),
  );
  return [...inFolders, ...FILES];
}

/** A test that is not over after so long hangs: none of them waits for anything but what it does itself. */
const HANGS_AFTER = 20_000;

const { describe, test, it, beforeAll, beforeEach, afterAll, afterEach } = circus;
Object.assign(globalThis, { describe, test, it, beforeAll, beforeEach, afterAll, afterEach, expect });

let listener = () => undefined;
circus.addEventHandler((event, state) => listener(event, state));

/**
 * Runs the suite in this process, on modules that are evaluated afresh. `only`: the names of the tests to run, default
 * all; `onTest` is told of each before it begins. Resolves to what each came to; after a failure the rest is left out
 * unless `goesOn`.
 */
export async function runSuite({ only, goesOn = false, onTest = () => undefined } = {}) {
  const wanted = only === undefined ? undefined : new Set(only);
  const all = filesOf();
  const files = wanted === undefined ? all : all.filter((file) => only.some((name) => name.startsWith(`${file} `)));
  circus.resetState();
  circus.getState().testTimeout = HANGS_AFTER;
  // A mutant must not survive on one day and be killed on the next.
  fc.configureGlobal({ seed: 1, numRuns: 25 });
  const shared = new Modules();
  for (const file of files) {
    const path = resolve(file);
    const isAlone = readFileSync(path, 'utf8').includes('jest.mock(');
    describe(file, () => void (isAlone ? new Modules() : shared).load(path));
  }
  const results = [];
  let hasFailed = false;
  let started = 0;
  listener = (event) => {
    if (event.name === 'test_start') {
      const name = nameOf(event.test);
      const isLeftOut = wanted?.has(name) === false || LEFT_OUT.some((end) => name.endsWith(end));
      if (isLeftOut || (hasFailed && !goesOn)) event.test.mode = 'skip';
      else onTest(name);
      started = performance.now();
    } else if (event.name === 'test_done') {
      if (event.test.mode === 'skip') return;
      const [error] = event.test.errors.map(thrownOf);
      if (error !== undefined) hasFailed = true;
      const isHanging = String(error).startsWith('Exceeded timeout of ');
      results.push({ name: nameOf(event.test), milliseconds: performance.now() - started, error, isHanging });
    }
  };
  const { unhandledErrors } = await circus.run();
  listener = () => undefined;
  return { results, brokenBy: unhandledErrors[0] };
}

/** What a test threw; something in place of `undefined`, which a mutant may throw and which is a failure too. */
function thrownOf(failure) {
  return [failure].flat()[0] ?? new Error('a test threw nothing that says why');
}

function nameOf(test) {
  const names = [test.name];
  for (let at = test.parent; at.name !== 'ROOT_DESCRIBE_BLOCK'; at = at.parent) names.unshift(at.name);
  return names.join(' ');
}
