#!/usr/bin/env node
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `npm run build` makes this file, too. This script makes it again when a source is newer, which takes half a second. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BUILT = join(ROOT, 'dist/cli/pazpaz-keys.mjs');
const SOURCES = join(ROOT, 'src');

if (await isOutdated()) await build();
await import(BUILT);

async function isOutdated() {
  const built = await changedAt(BUILT);
  const files = await readdir(SOURCES, { recursive: true }).catch(() => []);
  const changes = await Promise.all(files.map((file) => changedAt(join(SOURCES, file))));
  return built === 0 || Math.max(0, ...changes) > built;
}

async function changedAt(path) {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

async function build() {
  const { buildTool, CLI } = await import('../build/tool.mjs').catch((error) => {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    process.stderr.write(`pazpaz-keys is not built, and what builds it is not installed. Run in ${ROOT}: npm ci\n`);
    process.exit(1);
  });
  await mkdir(join(ROOT, 'dist/cli'), { recursive: true });
  // Elsewhere first: another process may be starting the same command.
  const folder = await mkdtemp(join(ROOT, 'dist/cli/building-'));
  try {
    const sources = Object.entries(CLI).map(([name, source]) => [name, join(ROOT, source)]);
    await buildTool(folder, Object.fromEntries(sources));
    // The one whose age is looked at comes last.
    for (const name of Object.keys(CLI).reverse())
      await rename(join(folder, `${name}.mjs`), join(dirname(BUILT), `${name}.mjs`));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
