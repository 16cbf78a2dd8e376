import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/*
 * Makes the release of the committed state twice, in two clones with different paths, time zones, languages and file
 * modes, and compares the files byte by byte.
 */
const SURROUNDINGS = [
  { name: 'one', umask: '022', environment: { TZ: 'UTC', LANG: 'C' } },
  {
    name: join('another', 'much-longer', 'path'),
    umask: '077',
    environment: { TZ: 'Pacific/Auckland', LANG: 'C.UTF-8' },
  },
];

const parent = await mkdtemp(join(tmpdir(), 'pazpaz-release-'));
try {
  const releases = [];
  for (const around of SURROUNDINGS) releases.push(await releaseIn(around));
  const [one, other] = releases;
  const names = [...new Set([...one.keys(), ...other.keys()])].sort();
  const different = names.filter((name) => one.get(name)?.equals(other.get(name) ?? Buffer.of()) !== true);
  for (const name of names) console.log(`${different.includes(name) ? 'differs' : 'same   '}  ${name}`);
  const leaks = names.filter((name) => one.get(name)?.includes(parent) === true);
  for (const name of leaks) console.log(`names a folder of this machine: ${name}`);
  console.log(`${names.length - different.length} of ${names.length} files are the same in both clones.`);
  if (different.length > 0 || leaks.length > 0) process.exitCode = 1;
} finally {
  await rm(parent, { recursive: true, force: true });
}

/** The files of a release by name. */
async function releaseIn({ name, umask, environment }) {
  const clone = join(parent, name);
  const run = (command) => {
    execFileSync('sh', ['-c', `umask ${umask}; ${command}`], {
      cwd: clone,
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  };
  execFileSync('sh', ['-c', `umask ${umask}; git clone --quiet "$1" "$2"`, 'sh', process.cwd(), clone]);
  run('npm ci --prefer-offline --ignore-scripts --no-audit --no-fund');
  run('npm run --silent release -- --without-image');
  const [version = ''] = (await readdir(join(clone, 'release'))).filter((entry) => !entry.startsWith('.'));
  const folder = join(clone, 'release', version);
  const files = await readdir(folder);
  return new Map(await Promise.all(files.map(async (file) => [file, await readFile(join(folder, file))])));
}
