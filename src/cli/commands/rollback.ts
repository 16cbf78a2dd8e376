import type { KeyRotationError } from '../../format/error.ts';
import { AWS_LABELS, ringLabels, type RingLabels } from '../../format/ring-labels.ts';
import { moveLabel } from '../../secret/move-label.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { command } from '../command.ts';
import { COUNT, object, oneOf } from '../json/shapes.ts';
import { adoptInUse } from '../ring/adoption.ts';
import { detachLabel, withoutLabels } from '../ring/labels.ts';
import { requireSeen, settledRing } from '../ring/look-again.ts';
import { keyName, keyOrNone, keysWithoutNumber, onSettledRing, requireSlots, stateChanged } from '../ring/ring.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';

export const ROLLBACK = command<RollbackOptions>({
  name: 'rollback',
  summary: 'Make the previous key current again',
  details:
    'Both keys keep their numbers, and everything they encrypted stays readable. Running it twice changes nothing ' +
    'more.',
  examples: ['pazpaz-keys rollback --dry-run', 'pazpaz-keys rollback --yes'],
  result: object({
    outcome: oneOf('rolled back', 'is rolled back already'),
    currentNumber: COUNT,
    leftNumber: COUNT,
  }),
  writes: 'asks',
  setUp: (program) => program.option('--undo', 'undo a rollback: make the newer key current again'),
  run: async ({ deps }, options) => {
    const result = await runRollback(deps, options);
    const next = result.outcome === 'is rolled back already' ? { next: [step('rollback', '--undo')] } : {};
    return { result, lines: () => [rollbackLine(result)], ...next };
  },
});

export interface RollbackOptions {
  /** Undoes a rollback: makes the newer key current again. */
  readonly undo?: boolean | undefined;
}

export interface RollbackResult {
  readonly outcome: 'rolled back' | 'is rolled back already';
  /** Numbers of the key that is current now and of the one that was left (0: it does not hold a key). */
  readonly currentNumber: number;
  readonly leftNumber: number;
}

/**
 * Moves `AWSCURRENT` back to the version with `AWSPREVIOUS`, after numbering both. The newer key keeps its number. If
 * the current key is already the older one, nothing happens, so that a repeated rollback does not move forward again.
 * `undo` works only in that state (else `NOTHING_TO_UNDO`).
 *
 * Before it writes anything, it refuses without a readable previous key (`NOTHING_TO_ROLL_BACK_TO`,
 * `INVALID_KEY_VALUE`, `VERSION_UNREADABLE`), while `AWSPENDING` is on another version than the current one
 * (`ROTATION_UNDER_WAY`), without free labels if both keys need one (`RING_FULL`), and if `AWSCURRENT` has moved since the question
 * (`STATE_CHANGED`).
 */
export async function runRollback(
  deps: CommandDependencies,
  { undo = false }: RollbackOptions,
): Promise<RollbackResult> {
  const { ring: before } = await settledRing(deps, ({ ring }) => isRolledBack(ring) !== undo);
  if (undo && !isRolledBack(before)) throw nothingToUndo(before);
  if (!undo && isRolledBack(before)) return { outcome: 'is rolled back already', ...numbersIn(before) };
  const { current, previous } = await check(deps, before);
  await deps.confirm({
    action: `Move AWSCURRENT back from ${keyName(before, current)} to ${keyName(before, previous)}`,
    risk: 'A rotation in its very last calls may still promote its key afterwards. Nothing is lost by that.',
  });
  let after = before;
  await onSettledRing(deps, async ({ ring }) => {
    after = ring;
    // The answer to our own move was lost, or another process was quicker.
    if (ring.current === previous && ring.previous === current) return { ring, wrote: false };
    if (ring.current !== current || ring.previous !== previous) throw stateChanged('AWSCURRENT has moved');
    await check(deps, ring);
    // Otherwise a retry of the rotation would promote it again.
    if (ring.pending === current) await detachLabel(deps, 'AWSPENDING', current);
    const { ring: adopted } = await adoptInUse(deps, ring);
    await moveLabel(deps, { label: 'AWSCURRENT', to: previous, from: current });
    after = rolledBack(adopted, { current, previous });
    return { ring: after, wrote: true };
  });
  const done = `AWSCURRENT was moved back to ${keyName(after, previous)}.`;
  const { ring: shown } = await requireSeen(deps, done, ({ ring }) => hasLabelsOf(ring, after));
  return { outcome: 'rolled back', ...numbersIn(shown) };
}

/** Whether the two keys are where this rollback has brought them, with their numbers. */
function hasLabelsOf({ numberOf, current, previous }: RingLabels, after: RingLabels): boolean {
  const has = (versionId = ''): boolean => numberOf.get(versionId) === after.numberOf.get(versionId);
  return current === after.current && previous === after.previous && has(current) && has(previous);
}

interface BothKeys {
  readonly current: string;
  readonly previous: string;
}

async function check(deps: CommandDependencies, ring: RingLabels): Promise<BothKeys> {
  const { current, previous, pending } = ring;
  if (current === undefined || previous === undefined) {
    throw new CommandRefusal(
      'NOTHING_TO_ROLL_BACK_TO',
      'No version has AWSPREVIOUS, so there is no key to go back to. To make another key current, put one.',
      step('put'),
    );
  }
  if (pending !== undefined && pending !== current) {
    throw new CommandRefusal(
      'ROTATION_UNDER_WAY',
      `AWSPENDING is on version ${pending}: a rotation is under way or unfinished, and would promote its key ` +
        'after the rollback. Let it finish (rotate --wait) or end it (rotate --clean-up), then roll back.',
      step('rotate', '--wait'),
      step('rotate', '--clean-up'),
    );
  }
  // A value that is not a key must not become current, and one that cannot be read may not be a key.
  if ((await keyOrNone(deps, previous)) === undefined) {
    throw new CommandRefusal(
      'INVALID_KEY_VALUE',
      `The previous version (${previous}) holds no key, so it cannot become current. To make another key current, put it.`,
      step('put'),
    );
  }
  // Adoption alone can end it where both have no number. Else the one that is left waits for a label.
  const keys = await keysWithoutNumber(deps, ring);
  if (keys.has(current) && keys.has(previous)) await requireSlots(deps, ring, 0);
  return { current, previous };
}

/** Whether the key that was left is the newer one: numbers only grow. */
function isRolledBack(ring: RingLabels): boolean {
  const { currentNumber, leftNumber } = numbersIn(ring);
  return currentNumber > 0 && leftNumber > currentNumber;
}

function numbersIn({ numberOf, current, previous }: RingLabels): Pick<RollbackResult, 'currentNumber' | 'leftNumber'> {
  return { currentNumber: numberOf.get(current ?? '') ?? 0, leftNumber: numberOf.get(previous ?? '') ?? 0 };
}

function rolledBack(ring: RingLabels, { current, previous }: BothKeys): RingLabels {
  const { stages } = withoutLabels(ring, AWS_LABELS);
  return ringLabels({
    ...stages,
    [previous]: [...(stages[previous] ?? []), 'AWSCURRENT'],
    [current]: [...(stages[current] ?? []), 'AWSPREVIOUS'],
  });
}

function nothingToUndo(ring: RingLabels): KeyRotationError {
  const { currentNumber, leftNumber } = numbersIn(ring);
  const found =
    ring.previous === undefined
      ? 'no version has AWSPREVIOUS'
      : `${nameOf(currentNumber)} is current, and ${nameOf(leftNumber)}, which was left, is not newer`;
  return new CommandRefusal(
    'NOTHING_TO_UNDO',
    `There is no rollback to undo: ${found}. To make the previous key current, use rollback without --undo.`,
    step('rollback'),
  );
}

function nameOf(number: number): string {
  return number === 0 ? 'a version without a number' : `key ${number}`;
}

function rollbackLine({ outcome, currentNumber, leftNumber }: RollbackResult): string {
  const newer =
    leftNumber === 0 ? 'The version that was left does not hold a key.' : `Key ${leftNumber} still decrypts.`;
  return outcome === 'rolled back'
    ? `Now key ${currentNumber} is current again. ${newer}`
    : `Key ${currentNumber} is current already; key ${leftNumber}, which is newer, was left. rollback --undo makes ` +
        `key ${leftNumber} current again.`;
}
