import { readFile } from 'node:fs/promises';
import { filesIn, sha256 } from './digest.mjs';

/** Files that fix every package which takes part in a build. */
const LOCK_FILES = ['package-lock.json', 'build/release/requirements.txt'];

/**
 * What the files of a folder were made from: an in-toto statement with SLSA's provenance. It has no time and no machine,
 * so that it is as reproducible as the files.
 *
 * @param {string} folder
 * @param {{ commit: string, version: string }} source
 */
export async function provenance(folder, { commit, version }) {
  const locks = await Promise.all(
    LOCK_FILES.map(async (name) => ({ name, digest: { sha256: sha256(await readFile(name)) } })),
  );
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: (await filesIn(folder)).map(({ name, digest }) => ({ name, digest: { sha256: digest } })),
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: 'urn:pazpaz-key-rotation:npm-run-release:v1',
        externalParameters: { commit, version },
        internalParameters: {},
        resolvedDependencies: [{ name: 'source', digest: { gitCommit: commit } }, ...locks],
      },
      runDetails: {
        builder: { id: 'urn:pazpaz-key-rotation:build/release.mjs', version: { node: process.versions.node } },
      },
    },
  };
}
