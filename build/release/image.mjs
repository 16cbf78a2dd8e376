import { spawnSync } from 'node:child_process';

/** As docs/maintenance.md runs it: no rights, and nothing that can be written. */
const RUN = [
  'run',
  '--rm',
  '--read-only',
  '--cap-drop',
  'ALL',
  '--security-opt',
  'no-new-privileges',
  '--network',
  'none',
];

/**
 * Builds the image of the commands where Docker runs, and says so where it does not. An image whose commands do not
 * start makes the release fail.
 *
 * @param {string} version its tag.
 * @param {string | undefined} base the image to build on; default: the one that the Dockerfile names.
 */
export function buildImage(version, base) {
  const tag = `pazpaz-keys:${version}`;
  if (spawnSync('docker', ['version'], { stdio: 'ignore' }).status !== 0) {
    console.error(`== no image ${tag}: Docker does not run here`);
    return;
  }
  const args = ['build', '--quiet', '--tag', tag, ...(base === undefined ? [] : ['--build-arg', `BASE=${base}`]), '.'];
  const built = spawnSync('docker', args, { encoding: 'utf8' });
  if (built.status !== 0) {
    console.error(`== no image ${tag}: ${built.stderr.trim()}`);
    return;
  }
  const started = spawnSync('docker', [...RUN, tag, '--version'], { encoding: 'utf8' });
  if (started.stdout.trim() === version) {
    console.error(`== the image ${tag}: ${built.stdout.trim()}`);
    return;
  }
  console.error(`== the image ${tag} does not start: ${started.stdout}${started.stderr}`.trimEnd());
  process.exitCode = 1;
}
