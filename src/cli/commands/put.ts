import { KeyRotationError } from '../../format/error.ts';
import { writeKeyValue } from '../../format/key-value.ts';
import { retiredKeys, type RetiredKey } from '../../format/retired-tag.ts';
import { ringState, type RingState } from '../../format/ring-labels.ts';
import { adopt } from '../../secret/adopt.ts';
import { attachNextNumber } from '../../secret/numbering.ts';
import type { CommandDependencies } from '../dependencies.ts';
import type { GivenValue } from './given-value.ts';
import { finishIncoming, incomingVersion, INCOMING_LABEL, slotsForIncoming } from './incoming.ts';
import {
  describedRing,
  keyName,
  onFreshRing,
  readableKey,
  refuseRotationUnderWay,
  requireSlots,
  stateChanged,
  versionOfKey,
} from './ring.ts';
import { store, untilShown, type StoredValue } from './store.ts';

export interface PutResult {
  readonly versionId: string;
  /** 0: it has lost its number again. */
  readonly number: number;
  readonly isCurrent: boolean;
  /** Whether the key was there before, so that nothing was stored. */
  readonly wasThere: boolean;
}

/**
 * Makes a key current that somebody hands in, in the format of the current one: numbers the keys in use, puts the value,
 * numbers it. Does nothing but number where it is current already. Refuses while a rotation is under way
 * (`ROTATION_UNDER_WAY`) and without a label for each number (`RING_FULL`), before it writes anything, and where another
 * key has become current since the question (`STATE_CHANGED`).
 */
export async function runPut(deps: CommandDependencies, given: GivenValue): Promise<PutResult> {
  const check = async (ring: RingState): Promise<void> => {
    await refuseRotationUnderWay(deps, ring);
    await requireSlots(deps, ring, 1);
  };

  const { ring: before } = await describedRing(deps);
  let known = await currentIfThisKey(deps, before, given);
  if (known !== undefined) return { ...(await numberPut(deps, known)), wasThere: true };
  await check(before);
  await deps.confirm({
    action: `Make a new key current in place of ${before.current === undefined ? 'none' : keyName(before, before.current)}`,
    risk: 'Applications encrypt with it from their next refresh on. The key before it goes on reading.',
  });
  let storedAs: string | undefined;
  await onFreshRing(deps, async ({ ring }) => {
    // Somebody else has put the same key.
    known = await currentIfThisKey(deps, ring, given);
    if (known !== undefined) return ring;
    if (ring.current !== before.current) throw stateChanged('Another key has become current');
    await check(ring);
    const adopted = await finishIncoming(deps, await adopt(deps, deps.secretId, ring));
    storedAs = await store(deps, await valueFor(deps, ring, given), undefined);
    return withVersion(adopted, storedAs);
  });
  if (storedAs !== undefined) await untilShown(deps, storedAs);
  return { ...(await numberPut(deps, storedAs ?? known ?? '')), wasThere: storedAs === undefined };
}

/**
 * Adds a key that only reads: stored under `key-incoming`, numbered, that label taken off again. A key that is on the
 * ring already is not stored once more. Refuses as `runPut` does (it takes two labels), and with `NO_CURRENT_KEY` on a
 * secret without a value: there the service itself would make it current.
 */
export async function runPutNotCurrent(deps: CommandDependencies, given: GivenValue): Promise<PutResult> {
  let known: string | undefined;
  let storedAs: string | undefined;
  await onFreshRing(deps, async ({ ring }) => {
    if (ring.current === undefined) throw noCurrentKey(deps.secretId);
    await refuseRotationUnderWay(deps, ring);
    known = (await versionOfKey(deps, ring, given.key)) ?? (await incomingIfThisKey(deps, ring, given));
    await requireSlots(deps, ring, known === undefined ? 2 : await slotsForIncoming(deps, ring));
    const adopted = await finishIncoming(deps, await adopt(deps, deps.secretId, ring));
    if (known !== undefined) return adopted;
    storedAs = await store(deps, await valueFor(deps, ring, given), [INCOMING_LABEL]);
    return withVersion(adopted, storedAs);
  });
  if (storedAs !== undefined) await untilShown(deps, storedAs);
  return { ...(await numberPut(deps, storedAs ?? known ?? '')), wasThere: storedAs === undefined };
}

/**
 * Gives the version that was put its number, whatever labels others have taken from it meanwhile, and finishes what else
 * has none.
 */
async function numberPut(deps: CommandDependencies, versionId: string): Promise<Omit<PutResult, 'wasThere'>> {
  let result = { versionId, number: 0, isCurrent: false };
  await onFreshRing(deps, async ({ secret, ring }) => {
    const adopted = await adopt(deps, deps.secretId, ring);
    const retired = retiredKeys(secret.Tags).find((key) => key.versionId === versionId);
    if (retired !== undefined && !adopted.numberOf.has(versionId)) throw retiredSince(retired);
    const numbered = adopted.numberOf.has(versionId)
      ? adopted
      : await attachNextNumber(deps, deps.secretId, adopted, versionId);
    const finished = await finishIncoming(deps, numbered);
    result = {
      versionId,
      number: finished.numberOf.get(versionId) ?? 0,
      isCurrent: finished.current === versionId,
    };
    return finished;
  });
  return result;
}

async function currentIfThisKey(
  deps: CommandDependencies,
  { current }: RingState,
  { key }: GivenValue,
): Promise<string | undefined> {
  if (current === undefined) return undefined;
  return (await readableKey(deps, current))?.key.equals(key) === true ? current : undefined;
}

async function incomingIfThisKey(
  deps: CommandDependencies,
  ring: RingState,
  { key }: GivenValue,
): Promise<string | undefined> {
  const versionId = incomingVersion(ring);
  if (versionId === undefined) return undefined;
  return (await readableKey(deps, versionId))?.key.equals(key) === true ? versionId : undefined;
}

/** The key as the ring spells its own; a current value that is no key has no format, the one before it may have. */
async function valueFor(deps: CommandDependencies, ring: RingState, given: GivenValue): Promise<StoredValue> {
  for (const versionId of [ring.current, ring.previous]) {
    const stored = versionId === undefined ? undefined : await readableKey(deps, versionId);
    if (stored !== undefined) return writeKeyValue(given.key, stored.format, deps.now());
  }
  return writeKeyValue(given.key, given.format, deps.now());
}

function withVersion(ring: RingState, versionId: string): RingState {
  return ringState({ ...ring.stages, [versionId]: [] });
}

function retiredSince({ number, versionId }: RetiredKey): KeyRotationError {
  return new KeyRotationError(
    'VERSION_IS_RETIRED',
    `The key was stored as version ${versionId}, and somebody has numbered it, left it and retired it since. 'pazpaz-keys restore ${number}' brings it back under its own number.`,
  );
}

function noCurrentKey(secretId: string): KeyRotationError {
  return new KeyRotationError(
    'NO_CURRENT_KEY',
    `Secret '${secretId}' has no key yet, and its first value becomes current whatever its labels. Make key 1 first (pazpaz-keys rotate --wait, or pazpaz-keys put); then add this one.`,
  );
}
