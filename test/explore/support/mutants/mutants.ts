import { COMMAND_MUTANTS } from './command-mutants.ts';
import { MOVE_MUTANTS } from './move-mutants.ts';
import type { Mutant } from './mutant.ts';

/** Builds with one protection taken out: each must break what is expected of it. */
export const MUTANTS: readonly Mutant[] = [
  {
    takenOut: 'adoption in both steps at once',
    file: 'src/secret/adopt.ts',
    from: 'if (await holdsKey(deps, versionId)) {',
    to: 'if (false as boolean && (await holdsKey(deps, versionId))) {',
    scenario: 'one key that never had a number',
    breaks: /^invariant 1: \w+ was current and has no label left/,
  },
  {
    takenOut: 'numbering before promotion',
    file: 'src/steps/finish-secret.ts',
    from: 'if (!ring.numberOf.has(token)) ring = await attachNextNumber(deps, ring, token);',
    to: '',
    scenario: 'one key that never had a number',
    breaks: /^invariant 2/,
  },
  {
    takenOut: 'the compare-and-swap of a number',
    file: 'src/secret/numbering.ts',
    from: "await moveLabel(deps, { label: numberingLabel(number), to: versionId });\n  deps.log('key_numbered'",
    to: `const holder = ringLabels((await deps.secrets.describeSecret({ SecretId: deps.secretId })).VersionIdsToStages).versionOf.get(number);
  await moveLabel(deps, { label: numberingLabel(number), to: versionId, from: holder === versionId ? undefined : holder });
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
  ...COMMAND_MUTANTS,
  ...MOVE_MUTANTS,
];
