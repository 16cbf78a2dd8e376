import { KeyRotationError } from '../../keyring/error.ts';
import type { KeyMaterial } from '../../keyring/key-material.ts';
import type { RingState } from '../../keyring/ring-state.ts';
import { adopt } from '../../steps/adopt.ts';
import { attachNextNumber } from '../../steps/numbering.ts';
import { refused } from '../../steps/aws-error.ts';
import type { CommandDependencies } from '../dependencies.ts';
import { adoptInUse } from './adopt.ts';
import type { GivenValue } from './given-value.ts';
import { finishIncoming, INCOMING_LABEL } from './incoming.ts';
import { describedRing, keyName, onFreshRing, readableKey, refuseRotationUnderWay, requireSlots } from './ring.ts';

export interface PutResult {
  readonly versionId: string;
  /** 0: the version has no number, which happens only in a dry run of one that holds no key. */
  readonly number: number;
  readonly isCurrent: boolean;
  /** Whether the key was there before, so that nothing was stored. */
  readonly wasThere: boolean;
}

/**
 * Makes a key current that somebody hands in: numbers the keys in use, puts the value, numbers it. Does nothing but
 * number where it is current already. Refuses while a rotation is under way (`ROTATION_UNDER_WAY`) and without a label
 * for each number (`RING_FULL`), before it writes anything.
 */
export async function runPut(deps: CommandDependencies, { key, stored }: GivenValue): Promise<PutResult> {
  const isThere = async ({ current }: RingState): Promise<boolean> =>
    current !== undefined && (await readableKey(deps, current))?.equals(key) === true;
  const check = async (ring: RingState): Promise<void> => {
    await refuseRotationUnderWay(deps, ring);
    await requireSlots(deps, ring, 1);
  };

  const { ring: before } = await describedRing(deps);
  let wasThere = await isThere(before);
  if (!wasThere) {
    await check(before);
    await deps.confirm({
      action: `Make a new key current in place of ${before.current === undefined ? 'none' : keyName(before, before.current)}`,
      risk: 'Applications encrypt with it from their next refresh on. The key before it goes on reading.',
    });
    await onFreshRing(deps, async ({ ring }) => {
      // A value put just before the connection broke off is not put again.
      wasThere = await isThere(ring);
      if (wasThere) return false;
      await check(ring);
      await adopt(deps, deps.secretId, ring);
      await store(deps, stored, undefined);
      return true;
    });
  }
  await adoptInUse(deps);
  const { ring } = await describedRing(deps);
  const versionId = ring.current ?? '';
  return { versionId, number: ring.numberOf.get(versionId) ?? 0, isCurrent: true, wasThere };
}

/**
 * Adds a key that only reads: stored under `key-incoming`, numbered, that label taken off again. A key that is on the
 * ring already is not stored once more. Refuses as `runPut` does (it takes two labels), and with `NO_CURRENT_KEY` on a
 * secret without a value: there the service itself would make it current.
 */
export async function runPutNotCurrent(deps: CommandDependencies, { key, stored }: GivenValue): Promise<PutResult> {
  let found: PutResult | undefined;
  let storedAs: string | undefined;
  await onFreshRing(deps, async ({ ring: seen }) => {
    if (seen.current === undefined) throw noCurrentKey(deps.secretId);
    await refuseRotationUnderWay(deps, seen);
    const finished = await finishIncoming(deps, seen);
    const ring = finished ? (await describedRing(deps)).ring : seen;
    const known = await versionOfKey(deps, ring, key);
    if (known === undefined) await requireSlots(deps, ring, 2);
    let adopted = await adopt(deps, deps.secretId, ring);
    if (known !== undefined) {
      found = { versionId: known, ...placeOf(adopted, known), wasThere: known !== storedAs };
      return finished || adopted !== ring;
    }
    const versionId = await store(deps, stored, [INCOMING_LABEL]);
    storedAs = versionId;
    adopted = (await describedRing(deps)).ring;
    adopted = await attachNextNumber(deps, deps.secretId, adopted, versionId);
    await finishIncoming(deps, adopted);
    found = { versionId, ...placeOf(adopted, versionId), wasThere: false };
    return true;
  });
  if (found === undefined) throw new KeyRotationError('NUMBER_LOST', 'The key that was put has no number.');
  return found;
}

function placeOf(ring: RingState, versionId: string): Pick<PutResult, 'number' | 'isCurrent'> {
  return { number: ring.numberOf.get(versionId) ?? 0, isCurrent: ring.current === versionId };
}

/** A version that readers find and that holds this key. */
async function versionOfKey(
  deps: CommandDependencies,
  ring: RingState,
  wanted: KeyMaterial,
): Promise<string | undefined> {
  for (const versionId of new Set([...ring.numberOf.keys(), ring.current, ring.previous])) {
    if (versionId === undefined) continue;
    if ((await readableKey(deps, versionId))?.equals(wanted) === true) return versionId;
  }
  return undefined;
}

async function store(
  deps: CommandDependencies,
  value: GivenValue['stored'],
  labels: readonly string[] | undefined,
): Promise<string> {
  const versionId = deps.newVersionId();
  await deps.secrets
    .putSecretValue({
      SecretId: deps.secretId,
      ClientRequestToken: versionId,
      ...value,
      // Never a numbering label: it would be taken from its version without a compare-and-swap.
      ...(labels === undefined ? {} : { VersionStages: [...labels] }),
    })
    .catch((error: unknown) => {
      throw refused('PutSecretValue', deps.secretId, error);
    });
  return versionId;
}

function noCurrentKey(secretId: string): KeyRotationError {
  return new KeyRotationError(
    'NO_CURRENT_KEY',
    `Secret '${secretId}' has no key yet, and its first value becomes current whatever its labels. Make key 1 first (pazpaz-keys rotate --wait, or pazpaz-keys put); then add this one.`,
  );
}
