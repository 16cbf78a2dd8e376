import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const REQUIREMENTS = join('build', 'release', 'requirements.txt');
const VENV = join('release', '.venv');

/**
 * Builds wheel and sdist with pinned tools in a virtual environment, and lists what the wheel needs.
 *
 * @param {string} folder where to.
 * @param {string} version
 */
export async function buildPython(folder, version) {
  const python = await virtualEnvironment();
  const run = (args, options = {}) => execFileSync(python, args, { encoding: 'utf8', ...options });
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
  run(['-m', 'build', '--no-isolation', '--outdir', resolve(folder), 'python'], quiet);
  // A wheel holds no other package. What it needs is installed beside it, in versions that the application chooses.
  const needed = JSON.parse(run(['-m', 'hatchling', 'metadata', 'dependencies'], { cwd: 'python' }));
  const sbom = join(folder, `pazpaz_keys-${version}.python.cdx.json`);
  const flags = ['--pyproject', 'python/pyproject.toml', '--mc-type', 'library', '--output-reproducible'];
  const format = ['--sv', '1.6', '--of', 'JSON', '-o', sbom, '-'];
  run(['-m', 'cyclonedx_py', 'requirements', ...flags, ...format], {
    input: needed.join('\n'),
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await writeFile(sbom, `${(await readFile(sbom, 'utf8')).trim()}\n`);
}

/** The Python of a virtual environment with exactly the pinned packages. */
async function virtualEnvironment() {
  const python = join(VENV, process.platform === 'win32' ? 'Scripts' : 'bin', 'python');
  const stamp = join(VENV, 'installed');
  const wanted = await readFile(REQUIREMENTS, 'utf8');
  if (!existsSync(stamp) || (await readFile(stamp, 'utf8')) !== wanted) {
    const system = process.env['PYTHON'] ?? 'python3';
    execFileSync(system, ['-m', 'venv', '--clear', VENV]);
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '-r', REQUIREMENTS];
    execFileSync(python, install, { stdio: ['ignore', 'ignore', 'inherit'] });
    await writeFile(stamp, wanted);
  }
  return resolve(python);
}
