import { execFileSync } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildLambda } from './lambda.mjs';
import { writeMetafile } from './metafile.mjs';
import { filesIn, sha256 } from './release/digest.mjs';
import { buildImage } from './release/image.mjs';
import { zipOf } from './release/lambda-zip.mjs';
import { notices } from './release/notices.mjs';
import { provenance } from './release/provenance.mjs';
import { buildPython } from './release/python.mjs';
import { sbomOf } from './release/sbom.mjs';

/*
 * Makes what a release consists of, in release/VERSION, from the commit that is checked out. The same commit gives the
 * same bytes in any folder (CONTRIBUTING.md): `--check` builds it twice and compares.
 */
const USAGE = 'npm run release -- [--check] [--image-base IMAGE] [--without-image]';
const options = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    'image-base': { type: 'string' },
    'without-image': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
}).values;

if (options.help) console.log(USAGE);
else if (options.check) await import('./release/check.mjs');
else await release();

async function release() {
  const changes = git('status', '--porcelain');
  if (changes !== '') {
    console.error(`A release is made of a commit, and these files are not as committed:\n${changes}`);
    process.exit(1);
  }
  const commit = git('rev-parse', 'HEAD');
  const { name, version } = JSON.parse(await readFile('package.json', 'utf8'));
  process.env['SOURCE_DATE_EPOCH'] = git('log', '-1', '--format=%ct');
  const folder = join('release', version);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const at = (file) => join(folder, file);

  say('Lambda, library and commands');
  await rm('dist', { recursive: true, force: true });
  for (const build of ['library', 'cli']) execFileSync(process.execPath, [join('build', `${build}.mjs`)]);
  await mkdir(join('dist', 'lambda'), { recursive: true });
  await writeMetafile(join('dist', 'lambda'), [await buildLambda(join('dist', 'lambda'))]);

  say('bills of materials and notices');
  const lambda = sbomOf(['dist/lambda.meta.json'], 'application');
  const packed = sbomOf(['dist/cli.meta.json', 'dist/library.meta.json'], 'library');
  await writeFile(at(`${name}-${version}.lambda.cdx.json`), json(lambda));
  await writeFile(at(`${name}-${version}.npm.cdx.json`), json(packed));
  await writeFile(join('dist', 'lambda', 'THIRD-PARTY.txt'), notices(lambda));
  await writeFile(join('dist', 'cli', 'THIRD-PARTY.txt'), notices(packed));
  await copyFile(join('dist', 'cli', 'THIRD-PARTY.txt'), at('THIRD-PARTY.txt'));

  say('the npm package');
  const npm = ['pack', '--silent', '--ignore-scripts'];
  const [listed] = JSON.parse(execFileSync('npm', [...npm, '--dry-run', '--json'], { encoding: 'utf8' }));
  // A tarball has the modes of the files, and a clone those of its maker's umask. npm itself marks what `bin` names.
  for (const { path } of listed.files) await chmod(path, path.startsWith('bin/') ? 0o755 : 0o644);
  execFileSync('npm', [...npm, '--pack-destination', folder], { stdio: ['ignore', 'ignore', 'inherit'] });

  say('the zip for Lambda');
  const zip = `${name}-${version}.lambda.zip`;
  const zipped = await zipOf(join('dist', 'lambda'));
  await writeFile(at(zip), zipped);
  await writeFile(at(`${zip}.sha256`), `${sha256(zipped)}  ${zip}\n`);

  say('the Python package');
  await buildPython(folder, version);

  const statement = await provenance(folder, { commit, version });
  await writeFile(at(`${name}-${version}.provenance.json`), json(statement));
  const sums = await digestsOf(folder);
  await writeFile(at('SHA256SUMS'), sums);
  if (!options['without-image']) buildImage(version, options['image-base']);
  say(folder);
  process.stdout.write(sums);
}

async function digestsOf(folder) {
  const files = await filesIn(folder);
  return files.map(({ name, digest }) => `${digest}  ${name}\n`).join('');
}

function git(...args) {
  return execFileSync('git', args, { encoding: 'utf8' }).trim();
}

function json(value) {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function say(what) {
  console.error(`== ${what}`);
}
