import { readFile } from 'node:fs/promises';
import { dirname, sep } from 'node:path';

/**
 * The modules of the AWS SDK (paths below node_modules) that the Lambda does without, and what takes their place. Each
 * stand-in says why it is safe. What it imports by a relative path is the SDK's own, from beside the replaced module.
 */
const STAND_INS = {
  '@aws-sdk/credential-provider-node/dist-es/index.js': 'credential-provider-node.mjs',
  '@smithy/core/dist-es/submodules/event-streams/index.js': 'event-streams.mjs',
  '@smithy/core/dist-es/submodules/config/shared-ini-file-loader/loadSharedConfigFiles.js':
    'load-shared-config-files.mjs',
  '@smithy/core/dist-es/submodules/serde/util-stream/stream-type-check.js': 'stream-type-check.mjs',
};

/**
 * An esbuild plugin that bundles the stand-ins instead of what they replace.
 *
 * It fails the build when a stand-in replaced nothing: an update of the SDK has then moved or dropped the module. When
 * an update exports more from it, esbuild itself fails on the export that the stand-in lacks.
 *
 * @param {Record<string, string>} modules by the path below node_modules, the file in build/stand-ins.
 * @returns {import('esbuild').Plugin}
 */
export function standIns(modules = STAND_INS) {
  return {
    name: 'stand-ins',
    setup(build) {
      const unused = new Set(Object.keys(modules));
      build.onLoad({ filter: /[\\/]node_modules[\\/]/ }, async ({ path }) => {
        const module = path.split(`${sep}node_modules${sep}`).at(-1).replaceAll(sep, '/');
        if (modules[module] === undefined) return undefined;
        unused.delete(module);
        const standIn = new URL(`stand-ins/${modules[module]}`, import.meta.url);
        return { contents: await readFile(standIn, 'utf8'), resolveDir: dirname(path) };
      });
      build.onEnd(() => ({
        errors: [...unused].map((module) => ({
          text: `build/stand-ins/${modules[module]} replaced nothing: the SDK no longer has '${module}'. Find where its code went.`,
        })),
      }));
    },
  };
}

/**
 * An esbuild plugin that takes the version alone out of a library's package.json. The SDK sends it to AWS as part of its
 * user agent; the other two kilobytes are for installers.
 *
 * @returns {import('esbuild').Plugin}
 */
export function versionsOnly() {
  return {
    name: 'versions-only',
    setup(build) {
      build.onLoad({ filter: /[\\/]node_modules[\\/].*[\\/]package\.json$/ }, async ({ path }) => {
        const { version } = JSON.parse(await readFile(path, 'utf8'));
        return { contents: JSON.stringify({ version }), loader: 'json' };
      });
    },
  };
}
