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

export const MUTANTS: readonly Mutant[] = [
  {
    takenOut: 'adoption in both steps at once',
    file: 'src/steps/adopt.ts',
    from: 'if (await holdsKey(deps, secretId, versionId)) {',
    to: 'if (false as boolean && (await holdsKey(deps, secretId, versionId))) {',
    scenario: 'one key that never had a number',
    breaks: /^invariant 1: \w+ was current and has no label left/,
  },
  {
    takenOut: 'numbering before promotion',
    file: 'src/steps/finish-secret.ts',
    from: 'if (!ring.numberOf.has(token)) ring = await attachNextNumber(deps, secretId, ring, token);',
    to: '',
    scenario: 'one key that never had a number',
    breaks: /^invariant 2/,
  },
  {
    takenOut: 'the compare-and-swap of a number',
    file: 'src/steps/numbering.ts',
    from: "await moveLabel(deps, secretId, { label: numberingLabel(number), to: versionId });\n  deps.log('key_numbered'",
    to: `const holder = ringState((await deps.secrets.describeSecret({ SecretId: secretId })).VersionIdsToStages).versionOf.get(number);
  await moveLabel(deps, secretId, { label: numberingLabel(number), to: versionId, from: holder === versionId ? undefined : holder });
  deps.log('key_numbered'`,
    scenario: 'put by hand, unlabelled versions kept',
    breaks: /^invariant 3/,
  },
  {
    takenOut: 'the fresh-key check',
    file: 'src/steps/create-secret.ts',
    from: 'await requireFreshPending(deps, request, ring, current?.key);',
    to: '',
    scenario: 'a test run that may die',
    breaks: /made the key of \w+ again/,
  },
  {
    takenOut: 'the WAS_CURRENT check',
    file: 'src/steps/rotation-state.ts',
    from: "if (labels.includes('AWSPREVIOUS')) {",
    to: 'if (false as boolean) {',
    scenario: 'rollback by hand, one attempt',
    breaks: /promoted [\w-]+ again, which had left AWSCURRENT/,
  },
];

/** Builds the product with one check taken out. Throws if the source to change is not there, once. */
export async function buildMutant(mutant: Mutant): Promise<Product> {
  const root = join(__dirname, '../..');
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
