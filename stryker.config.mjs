/**
 * Mutation testing of what must never be wrong: the steps and the key ring. `npm run mutation` takes a good while;
 * `npm run mutation -- --mutate src/secret/adopt.ts` looks at one file.
 *
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  testRunner: 'jest',
  plugins: ['@stryker-mutator/jest-runner'],
  mutate: ['src/steps/**/*.ts', 'src/keyring/**/*.ts'],
  coverageAnalysis: 'perTest',
  // A mutant in what runs once, as a module is loaded, would need every test in a process of its own.
  ignoreStatic: true,
  jest: {
    configFile: 'jest.mutation.config.mjs',
  },
  concurrency: 2,
  timeoutMS: 10_000,
  reporters: ['clear-text', 'progress-append-only', 'html'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  htmlReporter: { fileName: 'reports/mutation.html' },
  ignorePatterns: ['dist', 'reports', 'coverage', 'python', '.venv', '.aws-sam', 'docs'],
};
