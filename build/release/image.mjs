import { spawnSync } from 'node:child_process';

/**
 * Builds the image of the commands where Docker runs, and says so where it does not.
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
  if (built.status === 0) console.error(`== the image ${tag}: ${built.stdout.trim()}`);
  else console.error(`== no image ${tag}: ${built.stderr.trim()}`);
}
