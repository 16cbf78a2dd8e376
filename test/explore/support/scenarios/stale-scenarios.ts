import type { Mutant } from '../mutants/mutant.ts';
import type { Scenario } from './scenario.ts';
import {
  FOUR,
  KEPT,
  kind,
  NUMBERED,
  ROLLED_BACK,
  THREE,
  UNNUMBERED,
  UNNUMBERED_ONE,
  type Own,
} from './scenario-kinds.ts';

/** Where a false report needs more than two old answers in a row. */
const THREE_OLD = { answers: 3, writesOld: 3 };

const FOUR_OLD = { answers: 3, writesOld: 4 };

/** One operator, one command after the other: each may be shown the secret as it was before the last writes. */
const ALONE: readonly Own[] = [
  {
    name: 'retire and restore',
    ring: THREE,
    operators: [['retire 1', 'restore 1']],
    stale: THREE_OLD,
  },
  {
    name: 'retire, restore and retire --force',
    ring: THREE,
    operators: [['retire 1', 'restore 1', 'retire --force 1']],
  },
  {
    name: 'retire, restore and retire',
    ring: THREE,
    operators: [['retire 1', 'restore 1', 'retire 1']],
    stale: FOUR_OLD,
  },
  { name: 'retire two keys and restore one', ring: FOUR, operators: [['retire 1 2', 'restore 1']] },
  { name: 'maintain twice', ring: FOUR, operators: [['maintain', 'maintain']] },
  { name: 'maintain and restore', ring: THREE, operators: [['maintain', 'restore 1']] },
  { name: 'retire twice', ring: THREE, operators: [['retire 1', 'retire 1']] },
  { name: 'put and retire', ring: NUMBERED, operators: [['put P', 'put R', 'retire --force 1', 'retire --force 2']] },
  { name: 'put, put and the first again', ring: NUMBERED, operators: [['put P', 'put R', 'put P']] },
  {
    name: 'put --not-current, retire and again',
    ring: NUMBERED,
    operators: [['put --not-current Q', 'put --not-current Q']],
  },
  {
    name: 'retire and put --not-current of its key',
    ring: THREE,
    operators: [['retire 1', 'put --not-current A']],
    stale: THREE_OLD,
  },
  { name: 'rollback and back', ring: NUMBERED, operators: [['rollback', 'rollback --undo', 'rollback']] },
  {
    name: 'rollback --undo and back',
    ring: ROLLED_BACK,
    operators: [['rollback --undo', 'rollback', 'rollback --undo']],
  },
  {
    name: 'put, and put --not-current of the key before',
    ring: { A: 'key-v1 AWSCURRENT' },
    operators: [['put P', 'put --not-current A']],
  },
  {
    name: 'adopt after a put by hand, whose adoption may be killed',
    ring: NUMBERED,
    faults: 1,
    operators: [['put by hand', 'adopt']],
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
  { name: 'rotate twice', ring: THREE, operators: [['rotate', 'rotate']] },
];

/** One rotation, or two of which a call may be killed; a command beside it. */
const ROTATIONS: readonly Own[] = [
  { name: 'one key that never had a number', ring: UNNUMBERED_ONE },
  { name: 'two keys that never had a number', ring: UNNUMBERED },
  { name: 'a numbered ring', ring: NUMBERED },
  { name: 'no value, the first put becomes current', ring: {}, behaviour: { firstPendingValue: 'becomes-current' } },
  { name: 'AWSPENDING left on the new key', ring: NUMBERED, behaviour: { pendingAfterSuccess: 'left' } },
  { name: 'a test run that may die', ring: UNNUMBERED_ONE, testRun: true },
  { name: 'rollback', ring: NUMBERED, operators: [['rollback']] },
  { name: 'put', ring: NUMBERED, operators: [['put P']] },
  { name: 'put by hand', ring: NUMBERED, operators: [['put by hand']], behaviour: KEPT },
  { name: 'rotate --clean-up', ring: NUMBERED, operators: [['rotate --clean-up']] },
  { name: 'retire --force', ring: THREE, operators: [['retire --force 1']], behaviour: KEPT },
];

const OVERLAPPING: readonly Own[] = [
  { name: 'two attempts on two keys that never had a number', ring: UNNUMBERED },
  { name: 'two attempts on a numbered ring', ring: NUMBERED },
];

const WORDS = ', told of the past';

export const STALE_SCENARIOS: readonly Scenario[] = [
  ...kind(
    WORDS,
    { attempts: 0, rotations: 0, faults: 0, retries: 0, behaviour: KEPT, stale: { answers: 2, writesOld: 3 } },
    ALONE,
  ),
  ...kind(
    ` in a rotation${WORDS}`,
    { attempts: 1, rotations: 1, faults: 0, retries: 1, stale: { answers: 1, writesOld: 3 } },
    ROTATIONS.map((own) => (own.operators === undefined ? { ...own, faults: 1, retries: 2, rotations: 2 } : own)),
  ),
  ...kind(
    WORDS,
    { attempts: 2, rotations: 1, faults: 0, retries: 1, stale: { answers: 1, writesOld: 3 } },
    OVERLAPPING,
  ),
];

/** Builds that believe a description, each with the false report that comes of it. */
export const STALE_MUTANTS: readonly Mutant[] = [
  {
    takenOut: 'that restore looks again before it says that a key is on the ring',
    file: 'src/cli/commands/restore.ts',
    from: 'if (recorded.length === 0) return { ring, wrote: false };',
    to: 'if (recorded.length === 0) return { ring, wrote: true };',
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
    takenOut: 'that put looks for the number of its key',
    file: 'src/cli/commands/put.ts',
    from: '(described) => described.ring.numberOf.get(versionId) === number && incomingVersion(described.ring) !== versionId,',
    to: '() => true,',
    scenario: 'put and retire, told of the past',
    breaks: /^a false report: put R, by what it has seen, says that its version is key 4/,
  },
  {
    takenOut: 'that retire looks for what it has written',
    file: 'src/cli/commands/retire.ts',
    from: 'return still.every(({ number }) => !ring.versionOf.has(number) && recorded.includes(number));',
    to: 'return recorded.length >= 0;',
    scenario: 'retire and restore, told of the past',
    breaks: /^a false report: retire 1, by what it has seen, says that key 1 is off the ring/,
  },
  {
    takenOut: 'that rollback looks for the move of AWSCURRENT',
    file: 'src/cli/commands/rollback.ts',
    from: 'await requireSeen(deps, done, ({ ring }) => hasLabelsOf(ring, after))',
    to: '{ ring: after }',
    scenario: 'rollback and back, told of the past',
    breaks: /^a false report: rollback, by what it has seen, says that key 1 is current/,
  },
  {
    takenOut: 'that rotate --clean-up looks for AWSPENDING',
    file: 'src/cli/ring/clean-up.ts',
    from: '(described) => described.ring.pending !== pending);',
    to: '() => true);',
    scenario: 'rotate --clean-up in a rotation, told of the past',
    breaks: /^a false report: rotate --clean-up, by what it has seen, says that no rotation is left/,
  },
  {
    takenOut: 'that adopt looks for the numbers',
    file: 'src/cli/commands/adopt.ts',
    from: 'if (wrote) await requireSeen',
    to: 'if (false as boolean && wrote) await requireSeen',
    scenario: 'adopt after a put by hand, told of the past',
    breaks: /^a false report: adopt, by what it has seen, says that every key in use has a number/,
  },
  {
    takenOut: 'that rotate looks for its version',
    file: 'src/cli/commands/rotate.ts',
    from: '({ ring }) => ring.stages[versionId] !== undefined);',
    to: '() => true);',
    scenario: 'rotate twice, told of the past',
    breaks: /^a false report: rotate, by what it has seen, says that its version exists/,
  },
  {
    takenOut: 'that restore looks whether the record is gone',
    file: 'src/cli/commands/restore.ts',
    from: 'areBack(described) && !retiredKeys(described.secret.Tags).some(({ number }) => all.includes(number)),',
    to: 'areBack(described),',
    scenario: 'retire and restore, told of the past',
    breaks: /^a false report: restore 1, by what it has seen, says that no record of a retirement is left/,
  },
  {
    takenOut: 'that rotate --clean-up looks for its tag',
    file: 'src/cli/ring/clean-up.ts',
    from: 'await requireSeen(\n',
    to: 'await ((..._: readonly unknown[]) => Promise.resolve())(\n',
    scenario: 'rotate --clean-up twice, told of the past',
    breaks: /^rotate --clean-up ended without a look at what it has written/,
  },
  {
    takenOut: 'that adopt looks again before it says that there was nothing to do',
    file: 'src/cli/ring/ring.ts',
    from: 'if (change.wrote) return change;',
    to: 'if (String(change.wrote) !== "") return change;',
    scenario: 'adopt after a put by hand, whose adoption may be killed, told of the past',
    breaks: /^a false report: adopt says that every key in use has a number/,
  },
  {
    takenOut: 'that put waits before it says whether an older key is current',
    file: 'src/cli/commands/put.ts',
    from: 'if (wasThere) await deps.sleep(LONGEST_DELAY);',
    to: '',
    scenario: 'put, and put --not-current of the key before, told of the past',
    breaks: /^a false report: put --not-current A says that it is current: true/,
  },
];
