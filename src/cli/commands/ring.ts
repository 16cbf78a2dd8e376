import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager';
import { isKeyRotationError, KeyRotationError } from '../../keyring/error.ts';
import type { KeyMaterial } from '../../keyring/key-material.ts';
import { ringState, type RingState } from '../../keyring/ring-state.ts';
import { pendingKind } from '../../steps/adoption.ts';
import { requireFreeSlots } from '../../steps/numbering.ts';
import { readKey } from '../../steps/read-key.ts';
import { describe, fromFreshState } from '../../steps/rotation-state.ts';
import type { CommandDependencies } from '../dependencies.ts';

/** A secret as it was described, and its labels read as a key ring. */
export interface DescribedRing {
  readonly secret: DescribeSecretResponse;
  readonly ring: RingState;
}

/** Throws `SECRET_NOT_FOUND`, `SECRET_DELETED`, `AWS_REFUSED` or `CANNOT_REACH_AWS`. */
export async function describedRing(deps: CommandDependencies): Promise<DescribedRing> {
  const secret = await describe(deps, deps.secretId);
  return { secret, ring: ringState(secret.VersionIdsToStages) };
}

/**
 * Runs a command's body on a fresh reading, and again from its first check whenever a label moved under it; then puts
 * back any numbering label that got lost on the way. `body` resolves to whether it wrote.
 */
export async function onFreshRing(
  deps: CommandDependencies,
  body: (described: DescribedRing) => Promise<boolean>,
): Promise<void> {
  await fromFreshState(
    deps,
    () => describedRing(deps),
    deps.secretId,
    async (described) => ((await body(described)) ? { ...described.ring } : described.ring),
  );
}

/** Throws `ROTATION_UNDER_WAY` while a pending version has a value. A placeholder is a refused attempt. */
export async function refuseRotationUnderWay(deps: CommandDependencies, ring: RingState): Promise<void> {
  if ((await pendingKind(deps, deps.secretId, ring)) !== 'value') return;
  throw new KeyRotationError(
    'ROTATION_UNDER_WAY',
    `A rotation is under way: version ${ring.pending ?? ''} is AWSPENDING and has a value. Let it finish ` +
      '(pazpaz-keys rotate --wait), or end it (pazpaz-keys rotate --clean-up); then try again.',
  );
}

/**
 * Throws `RING_FULL` unless there is a label for `further` things besides a number for each key in use that has none.
 * A value that cannot be read throws `VERSION_UNREADABLE`: it may be a key.
 */
export async function requireSlots(deps: CommandDependencies, ring: RingState, further: number): Promise<void> {
  let needed = further;
  for (const versionId of new Set([ring.previous, ring.current])) {
    if (versionId === undefined || ring.numberOf.has(versionId)) continue;
    if ((await keyOrNone(deps, versionId)) !== undefined) needed += 1;
  }
  requireFreeSlots(ring, needed);
}

/** The key of a version; `undefined` where its value is no key. Throws `VERSION_UNREADABLE`, `VERSION_HAS_NO_VALUE`. */
export async function keyOrNone(deps: CommandDependencies, versionId: string): Promise<KeyMaterial | undefined> {
  try {
    return (await readKey(deps, deps.secretId, versionId)).key;
  } catch (error) {
    if (isKeyRotationError(error, 'INVALID_KEY_VALUE')) return undefined;
    throw error;
  }
}

/** The same; `undefined` also for a version that cannot be read now. */
export async function readableKey(deps: CommandDependencies, versionId: string): Promise<KeyMaterial | undefined> {
  try {
    return await keyOrNone(deps, versionId);
  } catch (error) {
    if (isKeyRotationError(error, 'VERSION_UNREADABLE') || isKeyRotationError(error, 'VERSION_HAS_NO_VALUE')) {
      return undefined;
    }
    throw error;
  }
}

/** `key 3`, or the version of a key without a number. */
export function keyName(ring: RingState, versionId: string): string {
  const number = ring.numberOf.get(versionId);
  return number === undefined ? `version ${versionId}` : `key ${number}`;
}
