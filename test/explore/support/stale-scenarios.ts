import type { Mutant } from './mutant.ts';
import type { Scenario } from './scenario.ts';
import { FOUR, KEPT, kind, NUMBERED, ROLLED_BACK, THREE, UNNUMBERED, type Own } from './scenario-kinds.ts';

/** One operator, one command after the other: each may be shown what was before the last ones. */
const ALONE: readonly Own[] = [
  { name: 'retire and restore', ring: THREE, operators: [['retire 1', 'restore 1']] },
  {
    name: 'retire, restore and retire --force',
    ring: THREE,
    operators: [['retire 1', 'restore 1', 'retire --force 1']],
  },
  { name: 'retire, restore and retire', ring: THREE, operators: [['retire 1', 'restore 1', 'retire 1']] },
  { name: 'retire two keys and restore one', ring: FOUR, operators: [['retire 1 2', 'restore 1']] },
  { name: 'retire twice', ring: THREE, operators: [['retire 1', 'retire 1']] },
  { name: 'put and retire', ring: NUMBERED, operators: [['put P', 'put R', 'retire --force 1', 'retire --force 2']] },
  { name: 'put, put and the first again', ring: NUMBERED, operators: [['put P', 'put R', 'put P']] },
  {
    name: 'put --not-current, retire and again',
    ring: NUMBERED,
    operators: [['put --not-current Q', 'put --not-current Q']],
  },
  { name: 'retire and put --not-current of its key', ring: THREE, operators: [['retire 1', 'put --not-current A']] },
  { name: 'rollback and back', ring: NUMBERED, operators: [['rollback', 'rollback --undo', 'rollback']] },
  {
    name: 'rollback --undo and back',
    ring: ROLLED_BACK,
    operators: [['rollback --undo', 'rollback', 'rollback --undo']],
  },
  { name: 'adopt after a put by hand', ring: UNNUMBERED, operators: [['adopt', 'put by hand', 'adopt']] },
  {
    name: 'retire, restore and adopt --version-id',
    ring: THREE,
    operators: [['retire 1', 'restore 1', 'adopt --version-id A']],
  },
  {
    name: 'rotate --clean-up twice',
    ring: { ...THREE, P: 'AWSPENDING' },
    operators: [['rotate --clean-up', 'rotate --clean-up']],
  },
];

/** Two descriptions of a schedule may each be up to three writes old. */
export const STALE_SCENARIOS: readonly Scenario[] = kind(
  ', told of the past',
  { attempts: 0, rotations: 0, faults: 0, retries: 0, behaviour: KEPT, stale: { answers: 2, writesOld: 3 } },
  ALONE,
);

/** Builds that believe a description, each with the false report that comes of it. */
export const STALE_MUTANTS: readonly Mutant[] = [
  {
    takenOut: 'that restore attaches a label which a description shows already',
    file: 'src/cli/commands/restore.ts',
    from: 'for (const each of numbers) await moveLabel',
    to: 'for (const each of missing) await moveLabel',
    scenario: 'retire and restore, told of the past',
    breaks: /^a false report: restore 1 says that key 1 is back/,
  },
  {
    takenOut: 'that a retirement is recorded whatever a description shows',
    file: 'src/cli/commands/retire.ts',
    from: 'const records = going.map((key) => passedRecord(key, secret) ?? { ...key, isForced: force });',
    to: `const records = going
    .filter((key) => passedRecord(key, secret) === undefined)
    .map((key) => ({ ...key, isForced: force }));`,
    scenario: 'retire, restore and retire, told of the past',
    breaks: /^a false report: retire 1 says that key 1 can be restored/,
  },
  {
    takenOut: 'that retire looks again before it says that a key is gone',
    file: 'src/cli/commands/retire.ts',
    from: 'const fresh = await settledRing(deps, isGone);',
    to: 'const fresh = await settledRing(deps, () => false);',
    scenario: 'retire, restore and retire --force, told of the past',
    breaks: /^a false report: retire --force 1 says that key 1 is off the ring/,
  },
  {
    takenOut: 'that rollback looks again before it says that it was done already',
    file: 'src/cli/commands/rollback.ts',
    from: 'await settledRing(deps, ({ ring }) => isRolledBack(ring) !== undo)',
    to: 'await settledRing(deps, () => false)',
    scenario: 'rollback and back, told of the past',
    breaks: /^a false report: rollback says that key 1 is current/,
  },
  {
    takenOut: 'that put looks again before it says that another key is current',
    file: 'src/cli/commands/put.ts',
    from: 'numbered.isCurrent || (await lookUntil(deps, ({ ring }) => ring.current === versionId));',
    to: 'numbered.isCurrent ? true : undefined;',
    scenario: 'put and retire, told of the past',
    breaks: /^a false report: put R says that it is current: false/,
  },
  {
    takenOut: 'that put looks again before it says that a key is on the ring already',
    file: 'src/cli/ring/ring.ts',
    from: '  if (wrote) return;',
    to: '  if (String(wrote) !== "") return;',
    scenario: 'retire and put --not-current of its key, told of the past',
    breaks: /^a false report: put --not-current A says that its version is key 1/,
  },
];
