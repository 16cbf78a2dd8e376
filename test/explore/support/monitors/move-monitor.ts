import type { Secret } from '../../../../src/local/service/state.ts';
import { keyText } from '../letters.ts';
import { everyLabel, numberOf, sorted, valueOf, Violation } from '../seen-secret.ts';

type Texts = Readonly<Record<string, string>>;

/** What has become of numbers, of what a monitor remembers. */
interface Numbers {
  readonly everCurrent: Texts;
  readonly owner: Texts;
  readonly moved: Texts;
  readonly retired: Texts;
}

/**
 * Invariant 3. Returns the version that each number names, or has named last. A number may be on another version than
 * before only by `move`, or by `restore-ring` of a key that was retired, and only with the same key. Throws `Violation`.
 */
export function ownersOf(
  memory: Numbers,
  before: Secret | undefined,
  after: Secret,
  command: string | undefined,
): Texts {
  const owner = { ...memory.owner };
  for (const [versionId, label] of everyLabel(after)) {
    const number = numberOf(label);
    if (number === undefined || owner[number] === versionId) continue;
    const former = owner[number];
    owner[number] = versionId;
    if (former === undefined) checkBrought({ number, versionId }, after, command);
    else checkMoved({ number, versionId, former }, [before, after], command, memory);
  }
  return sorted(owner);
}

/** What has become of versions whose number is on another one, after a change of owners. */
export function movesOf({ owner: before, moved }: Numbers, owner: Texts): Texts {
  const changes = Object.entries(before).flatMap(([number, from]): [string, string][] => {
    const to = owner[number];
    return to === undefined || to === from ? [] : [[from, to]];
  });
  if (changes.length === 0) return moved;
  const after = { ...moved, ...Object.fromEntries(changes) };
  // A number that comes back to an earlier version ends the chain there.
  for (const [, to] of changes) Reflect.deleteProperty(after, to);
  return sorted(after);
}

/** The version that has the number of this one now. */
export function followed(moved: Texts, versionId: string): string {
  let at = versionId;
  for (let next = moved[at]; next !== undefined; next = moved[at]) at = next;
  return at;
}

interface Moved {
  readonly number: string;
  readonly former: string;
  readonly versionId: string;
}

function checkMoved(
  { number, former, versionId }: Moved,
  [before, after]: readonly [Secret | undefined, Secret],
  command: string | undefined,
  { retired, everCurrent }: Numbers,
): void {
  const mayMove =
    command?.startsWith('move ') === true ||
    (command?.startsWith('restore-ring --retired ') === true && retired[number] !== undefined);
  if (!mayMove) throw new Violation(`invariant 3: number ${number} named ${former} and now names ${versionId}`);
  // AWS may have deleted a version that was retired.
  const was = everCurrent[former] ?? (before === undefined ? undefined : valueOf(before, former));
  if (was === undefined || was !== valueOf(after, versionId)) {
    throw new Violation(`invariant 3: number ${number} of ${former} is on ${versionId}, which has another key`);
  }
}

/** A number that a backup brings names the key that it named in the backup; a key in use may get the next one. */
function checkBrought({ number, versionId }: Omit<Moved, 'former'>, after: Secret, command: string | undefined): void {
  const backup = command?.startsWith('restore-ring ') === true ? backupOf(command) : undefined;
  const stages = after.versions[versionId]?.stages ?? [];
  if (backup === undefined || stages.some((label) => /^AWS(CURRENT|PREVIOUS)$/.test(label))) return;
  const letter = backup[Number(number) - 1];
  if (letter === undefined || keyText(letter) !== valueOf(after, versionId))
    throw new Violation(`invariant 3: restore-ring made ${versionId} key ${number}, which the backup does not say`);
}

/** The letters of a backup's keys, number 1 first. */
function backupOf(line: string): string {
  return line.split(' ').pop() ?? '';
}
