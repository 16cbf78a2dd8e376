import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager';
import type { KeyRotationError } from '../../format/error.ts';
import { isKeyRotationError } from '../../format/error.ts';
import type { KeyMaterial } from '../../format/key-material.ts';
import type { StoredKey } from '../../format/key-value.ts';
import { ringLabels, type RingLabels } from '../../format/ring-labels.ts';
import { pendingKind } from '../../secret/rotation-status.ts';
import { requireFreeSlots } from '../../secret/numbering.ts';
import { readKey } from '../../secret/read-key.ts';
import { describe, fromFreshState, type RingChange } from '../../secret/fresh-ring.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { withoutLabels } from './labels.ts';
import { readingOf } from './reading.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';

export interface DescribedRing {
  readonly secret: DescribeSecretResponse;
  readonly ring: RingLabels;
}

/** Throws `SECRET_NOT_FOUND`, `SECRET_DELETED`, `AWS_REFUSED` or `CANNOT_REACH_AWS`. */
export async function describedRing(deps: CommandDependencies): Promise<DescribedRing> {
  const secret = await describe(deps);
  return { secret, ring: ringLabels(secret.VersionIdsToStages) };
}

/** Runs the body again from its first check if a label moved, and puts back a numbering label that was lost. */
export async function onFreshRing(
  deps: CommandDependencies,
  body: (described: DescribedRing) => Promise<RingChange>,
): Promise<RingChange> {
  return fromFreshState(deps, () => describedRing(deps), body);
}

/** Milliseconds after which a description shows every earlier write. */
export const LONGEST_DELAY = 6000;

/**
 * For a command that may find nothing to do: a description may be a few writes old, so a body that wrote nothing runs
 * again six seconds later.
 */
export async function onSettledRing(
  deps: CommandDependencies,
  body: (described: DescribedRing) => Promise<RingChange>,
): Promise<RingChange> {
  const change = await onFreshRing(deps, body);
  if (change.wrote) return change;
  await deps.sleep(LONGEST_DELAY);
  return onFreshRing(deps, body);
}

/** What was confirmed would not happen now. `found`: the difference, without a full stop. */
export function stateChanged(found: string): KeyRotationError {
  return new CommandRefusal(
    'STATE_CHANGED',
    `${found} since you were asked, so what you agreed to was not done. Check the current state, then run it ` +
      'again.',
    step('status'),
  );
}

/** A pending version without a value is a refused attempt. Throws `ROTATION_UNDER_WAY`. */
export async function refuseRotationUnderWay(deps: CommandDependencies, ring: RingLabels): Promise<void> {
  if ((await pendingKind(deps, ring)) !== 'value') return;
  throw new CommandRefusal(
    'ROTATION_UNDER_WAY',
    `A rotation is under way: version ${ring.pending ?? ''} is AWSPENDING and has a value. Let it finish (rotate ` +
      '--wait) or end it (rotate --clean-up), then try again.',
    step('rotate', '--wait'),
    step('rotate', '--clean-up'),
  );
}

/**
 * One label for each of `further` things and for each key in use without a number. Throws `RING_FULL`, and
 * `VERSION_UNREADABLE` for a value that cannot be read, because it may be a key.
 */
export async function requireSlots(deps: CommandDependencies, ring: RingLabels, further: number): Promise<void> {
  requireFreeSlots(ring, further + (await keysWithoutNumber(deps, ring)).size);
}

/** Of these versions (default: those in use), the ones that hold a key. Throws `VERSION_UNREADABLE`. */
export async function keysWithoutNumber(
  deps: CommandDependencies,
  { numberOf, previous, current }: RingLabels,
  versionIds: readonly (string | undefined)[] = [previous, current],
): Promise<ReadonlySet<string>> {
  const keys = new Set<string>();
  for (const versionId of new Set(versionIds)) {
    if (versionId === undefined || numberOf.has(versionId)) continue;
    if ((await keyOrNone(deps, versionId)) !== undefined) keys.add(versionId);
  }
  return keys;
}

/** For a label that a version has for a moment. It takes the place of AWSPENDING, which a refused rotation may hold. */
export async function requirePlaceFor(
  deps: CommandDependencies,
  ring: RingLabels,
  label: string,
  further: number,
): Promise<void> {
  const others = withoutLabels(ring, [label]);
  const { pending } = ring;
  try {
    await requireSlots(deps, others, pending === undefined && others.freeSlots >= 0 ? further : further + 1);
  } catch (error) {
    if (pending === undefined || !isKeyRotationError(error, 'RING_FULL')) throw error;
    throw new CommandRefusal(
      'RING_FULL',
      `The key ring is full: AWSPENDING (version ${pending}) takes the slot of the label that this command attaches ` +
        'for a moment. Take it off (rotate --clean-up), then try again. Nothing was lost.',
      step('rotate', '--clean-up'),
    );
  }
}

/** `undefined` if the value is not a key. Throws `VERSION_UNREADABLE`, `VERSION_HAS_NO_VALUE`. */
export async function keyOrNone(deps: CommandDependencies, versionId: string): Promise<KeyMaterial | undefined> {
  return (await storedKeyOrNone(deps, versionId))?.key;
}

async function storedKeyOrNone(deps: CommandDependencies, versionId: string): Promise<StoredKey | undefined> {
  try {
    return await readKey(deps, versionId);
  } catch (error) {
    if (isKeyRotationError(error, 'INVALID_KEY_VALUE')) return undefined;
    throw error;
  }
}

/** `undefined` also if the version cannot be read now. */
export async function readableKey(deps: CommandDependencies, versionId: string): Promise<StoredKey | undefined> {
  try {
    return await storedKeyOrNone(deps, versionId);
  } catch (error) {
    if (isKeyRotationError(error, 'VERSION_UNREADABLE') || isKeyRotationError(error, 'VERSION_HAS_NO_VALUE')) {
      return undefined;
    }
    throw error;
  }
}

/** Numbered versions whose value is not a key, which makes every rotation fail. One that cannot be read may be a key. */
export async function numberedWithoutKey(
  deps: CommandDependencies,
  { numberOf }: RingLabels,
): Promise<readonly string[]> {
  const without: string[] = [];
  for (const versionId of numberOf.keys()) {
    const reading = await readingOf(deps, versionId);
    // Further reads would be refused, too, and each raises an alarm.
    if (reading.kind === 'refused' && reading.isDenied) break;
    if (reading.kind === 'no key') without.push(versionId);
  }
  return without;
}

/** A version that readers find. */
export async function versionOfKey(
  deps: CommandDependencies,
  ring: RingLabels,
  wanted: KeyMaterial,
): Promise<string | undefined> {
  for (const versionId of new Set([...ring.numberOf.keys(), ring.current, ring.previous])) {
    if (versionId === undefined) continue;
    if ((await readableKey(deps, versionId))?.key.equals(wanted) === true) return versionId;
  }
  return undefined;
}

export function keyName(ring: RingLabels, versionId: string): string {
  const number = ring.numberOf.get(versionId);
  return number === undefined ? `version ${versionId}` : `key ${number}`;
}

/** `why` the command needs a key, without a full stop. */
export function noCurrentKey(secretId: string, why: string): KeyRotationError {
  return new CommandRefusal(
    'NO_CURRENT_KEY',
    `Secret '${secretId}' has no key yet, ${why}. Create key 1 first (rotate --wait, or put), then try again.`,
    step('rotate', '--wait'),
  );
}
