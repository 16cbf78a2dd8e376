import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { merged } from '../metafile.mjs';

/** The package exports its plugin alone. */
const PROGRAM = join('node_modules', '@cyclonedx', 'cyclonedx-esbuild', 'bin', 'cyclonedx-esbuild-cli.js');

/**
 * What the bundles hold, as CycloneDX: only packages of which code is in them, each with its licence.
 *
 * @param {readonly string[]} metafiles of esbuild.
 * @param {'application' | 'library'} type of what is shipped.
 */
export function sbomOf(metafiles, type) {
  const whole = join('dist', 'release.meta.json');
  writeFileSync(whole, JSON.stringify(merged(metafiles.map((file) => JSON.parse(readFileSync(file, 'utf8'))))));
  const flags = ['--gather-license-texts', '--output-reproducible', '--validate', '--mc-type', type, whole];
  const stdio = ['ignore', 'pipe', 'ignore'];
  const sbom = JSON.parse(execFileSync(process.execPath, [PROGRAM, ...flags], { stdio, maxBuffer: 2 ** 28 }));
  rmSync(whole);
  return sbom;
}
