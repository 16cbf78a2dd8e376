/*
 * Run by npm after an installation in a clone, and on installation from a git address: builds what package.json exports.
 * Without the development dependencies (`npm ci --omit=dev`) there is no compiler, and nothing to build for.
 */
try {
  await import('typescript');
} catch {
  console.error('pazpaz-key-rotation: dist/ is not built, since the development dependencies are left out.');
  process.exit(0);
}
await import('./library.mjs');
await import('./cli.mjs');
