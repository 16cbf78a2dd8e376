/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  // Jest leaves one core idle by default, which is half of a small machine.
  maxWorkers: '100%',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  // The examples import the package as an application does.
  moduleNameMapper: { '^pazpaz-key-rotation$': '<rootDir>/src/index.ts' },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'commonjs' } },
    ],
  },
};
