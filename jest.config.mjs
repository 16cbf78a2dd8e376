import { availableParallelism } from 'node:os';

// The AWS SDK warns of Node 20 in every process that loads it. Once is enough; the workers and their children inherit this.
if (Number(process.versions.node.split('.')[0]) < 22)
  console.warn('The AWS SDK ends its support for Node 20 in January 2027.');
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';

// `npm test` has no time for the suites that `npm run test:wide` runs. A path, as in `npx jest test/postgres`, means both.
const WIDE_ONLY = '**/*.wide.test.ts';
const OTHERS = '**/!(*.wide).test.ts';
const hasPath = process.argv.some((word) => word.startsWith('test/'));
const matched = hasPath ? [OTHERS, WIDE_ONLY] : [process.env.WIDE === undefined ? OTHERS : WIDE_ONLY];

/** @type {import('jest').Config} */
export default {
  // A guard against tests that hang, and no measure of speed: a busy machine may take many times as long.
  testTimeout: 600_000,
  testEnvironment: 'node',
  // Suites that wait, for a time limit, a database or a process, leave their core to another one. Jest takes a share of
  // more than 100 % for a number of workers.
  maxWorkers: Math.ceil(1.5 * availableParallelism()),
  // Modules of past suites stay in a worker's memory: beside a gigabyte of them the garbage collector takes several times
  // as long as a suite that makes many objects.
  workerIdleMemoryLimit: '400MB',
  testSequencer: '<rootDir>/test/support/longest-first.cjs',
  roots: ['<rootDir>/test'],
  testMatch: matched,
  // The examples import the package as an application does.
  moduleNameMapper: {
    '^pazpaz-key-rotation$': '<rootDir>/src/index.ts',
    '^pazpaz-key-rotation/(drizzle|kysely|prisma|typeorm)$': '<rootDir>/src/columns/$1.ts',
  },
  transform: {
    '^.+\\.sql$': '<rootDir>/test/support/sql-as-text.cjs',
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'commonjs' } },
    ],
    '^.+\\.js$': ['@swc/jest', { jsc: { target: 'es2023' }, module: { type: 'commonjs' } }],
  },
  // Packages that are ES modules only.
  transformIgnorePatterns: ['/node_modules/(?!(age-encryption|@noble|@scure)/)'],
};
