import { spawnSync } from 'node:child_process';

/*
 * `npm run test:node`: what must hold on every Node that package.json allows, on the newest of each major version. npm's
 * package `node` brings them. `npm run test:node -- 22` tries one; without a version all are tried.
 */

const versions = process.argv.length > 2 ? process.argv.slice(2) : ['20', '22', '24'];

/** Format, key ring, steps and commands from close by; then the library and the Lambda as they are built. */
const PATHS = [
  ...['test/format', 'test/secret', 'test/steps', 'test/vectors'],
  ...['test/keyring/key-ring', 'test/keyring/lookup', 'test/keyring/closing', 'test/keyring/source/over-http'],
  ...['test/rotation/rotation', 'test/cli/commands/status', 'test/library/library', 'test/bundle/bundle'],
];

for (const version of versions) {
  console.log(`\nNode ${version}`);
  const words = ['--yes', '--package', `node@${version}`, '--', 'node', 'node_modules/jest/bin/jest.js', ...PATHS];
  const { status } = spawnSync('npx', words, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
