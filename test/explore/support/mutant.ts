import { build, type Plugin } from 'esbuild';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Product } from './product.ts';

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

/** Builds the product with one check taken out. Throws if the source to change is not there, once. */
export async function buildMutant(mutant: Mutant): Promise<Product> {
  const root = join(__dirname, '../../..');
  let replaced = 0;
  const takeOut: Plugin = {
    name: 'take out one check',
    setup(plugin) {
      plugin.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8');
        if (path !== join(root, mutant.file)) return { contents: source, loader: 'ts' };
        replaced = source.split(mutant.from).length - 1;
        return { contents: source.replace(mutant.from, () => mutant.to), loader: 'ts' };
      });
    },
  };
  const folder = await mkdtemp(join(tmpdir(), 'mutant-'));
  try {
    const outfile = join(folder, 'product.cjs');
    const entry = join(__dirname, 'product.ts');
    await build({ entryPoints: [entry], bundle: true, outfile, platform: 'node', format: 'cjs', plugins: [takeOut] });
    if (replaced !== 1) throw new Error(`${mutant.file} holds ${replaced} times what '${mutant.takenOut}' takes out`);
    const built = (await import(outfile)) as { readonly product: Product };
    return built.product;
  } finally {
    await rm(folder, { recursive: true });
  }
}
