import { build, type Plugin } from 'esbuild';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Product } from '../product.ts';

/** One protection of the protocol, and the change of the source that takes it out. */
export interface Mutant {
  readonly takenOut: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** The scenario whose exploration notices, and what it finds broken. */
  readonly scenario: string;
  readonly breaks: RegExp;
}

const ROOT = join(__dirname, '../../../..');

/** Builds the product with one check taken out. Throws if the source to change is not there, once. */
export async function buildMutant(mutant: Mutant): Promise<Product> {
  const file = join(ROOT, mutant.file);
  let replaced = 0;
  const takeOut: Plugin = {
    name: 'take out one check',
    setup(plugin) {
      plugin.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (path !== file) return undefined;
        const source = await readFile(path, 'utf8');
        replaced = source.split(mutant.from).length - 1;
        return { contents: source.replace(mutant.from, () => mutant.to), loader: 'ts' };
      });
    },
  };
  // Within node_modules, so that the built file finds its packages.
  const folder = await mkdtemp(join(ROOT, 'node_modules', '.mutant-'));
  try {
    const outfile = join(folder, 'product.cjs');
    await build({
      entryPoints: [join(__dirname, '../product.ts')],
      bundle: true,
      packages: 'external',
      outfile,
      platform: 'node',
      format: 'cjs',
      loader: { '.sql': 'text' },
      plugins: [takeOut],
    });
    if (replaced !== 1) throw new Error(`${mutant.file} holds ${replaced} times what '${mutant.takenOut}' takes out`);
    const built = (await import(outfile)) as { readonly product: Product };
    return built.product;
  } finally {
    await rm(folder, { recursive: true });
  }
}
