import type { Mutant } from './mutant.ts';

const MOVE = 'src/cli/move/move-keys.ts';
const BRING = 'src/cli/backup/bring-keys.ts';

/** Protections of move, restore-ring and backup. */
export const MOVE_MUTANTS: readonly Mutant[] = [
  {
    takenOut: 'that a number moves in one call',
    file: MOVE,
    from: 'await moveLabel(deps, { label: numberingLabel(number), to: copy, from: versionId });',
    to: `await detachLabel(deps, numberingLabel(number), versionId);
        await moveLabel(deps, { label: numberingLabel(number), to: copy });`,
    scenario: 'move, killed and left',
    breaks: /^invariant 1: A+ lost its number 1/,
  },
  {
    takenOut: 'that a number moves from the version that was read',
    file: MOVE,
    from: 'await moveLabel(deps, { label: numberingLabel(number), to: copy, from: versionId });',
    to: `const holder = (await describedRing(deps)).ring.versionOf.get(number);
        await moveLabel(deps, { label: numberingLabel(number), to: copy, from: holder });`,
    scenario: 'move --kms-key-id K beside retire 1',
    breaks: /^invariant [34]: /,
  },
  {
    takenOut: 'that a step takes no key back to its number which was retired after a move',
    file: 'src/secret/numbering.ts',
    from: '(version === versionId || Math.abs(deps.now().getTime() - Date.parse(date)) < LONGEST_STEP);',
    to: "version === versionId && date !== '';",
    scenario: 'move and retire beside adoption',
    breaks: /^invariant 3: number 1 named [\w-]+ and now names A+/,
  },
  {
    takenOut: 'that move finishes what broke off',
    file: MOVE,
    from: 'return finishMove(deps, change, secret);',
    to: 'return change;',
    scenario: 'move, killed and left',
    breaks: /^status gives advice that does not help: move/,
  },
  {
    takenOut: 'that move waits for a rotation under way',
    file: MOVE,
    from: 'await refuseRotationUnderWay(deps, ring);',
    to: '',
    scenario: 'move amid a rotation: refused',
    breaks: /^an end that no one intended/,
  },
  {
    takenOut: 'that status tells of a move that broke off',
    file: 'src/cli/status/notes.ts',
    from: '...(labels.includes(MOVING_LABEL)',
    to: '...((false as boolean)',
    scenario: 'move, killed and left',
    breaks: /^key-moving is left .* status does not say what to do/,
  },
  {
    takenOut: 'that status tells of a restore-ring that broke off',
    file: 'src/cli/status/notes.ts',
    from: '...(labels.includes(RESTORING_LABEL)',
    to: '...((false as boolean)',
    scenario: 'restore-ring, killed and left',
    breaks: /^key-restoring is left .* status does not say what to do/,
  },
  {
    takenOut: 'that restore-ring leaves retired keys alone',
    file: BRING,
    from: 'else if (retiredBefore.has(number)) retired.push(number);',
    to: '',
    scenario: 'retire, restore-ring and restore-ring --retired, killed and run again',
    breaks: /^invariant [34]: /,
  },
  {
    takenOut: 'that the first key of an empty secret comes with its number',
    file: BRING,
    from: 'isFirst && number > 1 ?',
    to: '(false as boolean) && isFirst ?',
    scenario: 'restore-ring into an empty secret beside adoption',
    breaks: /^an end that no one intended/,
  },
  {
    takenOut: 'that restore-ring waits for a rotation under way',
    file: BRING,
    from: 'await refuseRotationUnderWay(deps, ring);',
    to: '',
    scenario: 'restore-ring amid a rotation: refused',
    breaks: /^an end that no one intended/,
  },
  {
    takenOut: 'the last look of restore-ring',
    file: BRING,
    from: 'const shown = await requireSeen(deps, done, (described) => {',
    to: `const shown = attached;
  void ((described: DescribedRing) => {`,
    scenario: 'retire, restore-ring and restore-ring --retired, killed and run again',
    breaks: /^restore-ring --retired ABC ended without a look at what it has written/,
  },
  {
    takenOut: 'that restore-ring names no key that was retired meanwhile',
    file: BRING,
    from: '!brought.has(number) && versionOf.has(number)',
    to: '!brought.has(number)',
    scenario: 'restore-ring ABC beside retire 1',
    breaks: /^a false report: restore-ring ABC, by what it has seen, says that key 1 is on the ring/,
  },
  {
    takenOut: 'that backup tells of a key that came meanwhile',
    file: 'src/cli/commands/backup.ts',
    from: 'if (missing.length > 0) {',
    to: 'if (false as boolean) {',
    scenario: 'backup beside put P',
    breaks: /^a false report: backup, by what it has seen, says that every key is in the file/,
  },
];
