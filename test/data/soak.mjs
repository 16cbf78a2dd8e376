import { rm } from 'node:fs/promises';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

// Built first: it runs outside Jest. Within node_modules, so that the built file finds its packages.
const folder = mkdtempSync(join(process.cwd(), 'node_modules', '.soak-'));
try {
  await build({
    entryPoints: { soak: 'test/data/soak-program.ts' },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  });
  const { soak } = await import(pathToFileURL(join(folder, 'soak.mjs')).href);
  process.exitCode = (await soak(process.argv.slice(2), folder)) ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
