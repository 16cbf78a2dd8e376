import { INSTRUMENTER_CONSTANTS as NAMES } from '@stryker-mutator/api/core';
import { declareFactoryPlugin, PluginKind } from '@stryker-mutator/api/plugin';
import {
  determineHitLimitReached,
  DryRunStatus,
  TestStatus,
  toMutantRunResult,
} from '@stryker-mutator/api/test-runner';
import { runSuite } from './suite.mjs';

/*
 * Runs mutants in one process, one after the other: of all tests only those that reach the mutant, on modules that are
 * evaluated afresh each time, so that a mutant in what runs as a module is loaded counts too.
 */

const instrumented = (globalThis[NAMES.NAMESPACE] ??= {});

const RUNNER = {
  capabilities: () => ({ reloadEnvironment: true }),

  async dryRun() {
    instrumented.mutantCoverage = undefined;
    const onTest = (name) => {
      instrumented.currentTestId = name;
    };
    const { results, brokenBy } = await runSuite({ goesOn: true, onTest });
    instrumented.currentTestId = undefined;
    const outcome = outcomeOf(results, brokenBy);
    return { ...outcome, mutantCoverage: instrumented.mutantCoverage };
  },

  async mutantRun({ activeMutant, testFilter, hitLimit, disableBail }) {
    Object.assign(instrumented, { activeMutant: activeMutant.id, hitLimit, hitCount: hitLimit ? 0 : undefined });
    try {
      const { results, brokenBy } = await runSuite({ only: testFilter, goesOn: disableBail });
      const reached = determineHitLimitReached(instrumented.hitCount, instrumented.hitLimit);
      return toMutantRunResult(reached ?? hangOf(results) ?? outcomeOf(results, brokenBy));
    } catch (error) {
      // The mutant breaks a module as it is loaded.
      return toMutantRunResult(outcomeOf([{ name: testFilter?.[0] ?? 'loading', milliseconds: 0, error }]));
    } finally {
      instrumented.activeMutant = undefined;
    }
  },
};

/** A test that waits for something that never comes has not refuted the mutant: that is a timeout, and no kill. */
function hangOf(results) {
  const hanging = results.find(({ isHanging }) => isHanging);
  return hanging && { status: DryRunStatus.Timeout, reason: `${hanging.name} is not over` };
}

function outcomeOf(results, brokenBy) {
  if (brokenBy !== undefined) return { status: DryRunStatus.Error, errorMessage: String(brokenBy.stack ?? brokenBy) };
  const tests = results.map(({ name, milliseconds, error }) => ({
    id: name,
    name,
    timeSpentMs: milliseconds,
    status: error === undefined ? TestStatus.Success : TestStatus.Failed,
    failureMessage: error === undefined ? undefined : String(error?.stack ?? error),
  }));
  return { status: DryRunStatus.Complete, tests };
}

const factory = () => RUNNER;
factory.inject = [];

export const strykerPlugins = [declareFactoryPlugin(PluginKind.TestRunner, 'in-process', factory)];
