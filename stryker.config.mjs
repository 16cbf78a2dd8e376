/**
 * Mutation testing of what must never be wrong (docs/mutation.md). `npm run mutation` takes it all;
 * `npm run mutation -- --mutate src/secret/adopt.ts` looks at one file.
 *
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  testRunner: 'in-process',
  plugins: ['./test/mutation/runner.mjs'],
  mutate: [
    'src/steps/**/*.ts',
    'src/secret/**/*.ts',
    'src/format/**/*.ts',
    'src/cli/commands/{retire,rollback,restore}.ts',
    'src/cli/ring/**/{retire-checks,retired-tags,labels,look-again}.ts',
    'src/postgres/job/plan-rows.ts',
  ],
  coverageAnalysis: 'perTest',
  // Static mutants are as fast as others here, where modules are evaluated again for each.
  warnings: { slow: false },
  concurrency: 2,
  // A process may have to wait for a busy machine; a mutant that loops is found by counting, not by time.
  timeoutMS: 60_000,
  reporters: ['clear-text', 'json', 'html'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  htmlReporter: { fileName: 'reports/mutation.html' },
  jsonReporter: { fileName: 'reports/mutation.json' },
  ignorePatterns: ['dist', 'reports', 'coverage', 'python', '.venv', '.aws-sam', 'docs'],
};
