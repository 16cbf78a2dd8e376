import { KeyRotationError } from '../../format/error.ts';
import type { KeyNumber } from '../../format/key-number.ts';
import { retiredKeys } from '../../format/retired-tag.ts';
import type { RingLabels } from '../../format/ring-labels.ts';
import { adopt } from '../../secret/adopt.ts';
import { attachNextNumber, requireFreeSlots } from '../../secret/numbering.ts';
import { hasValue } from '../../secret/read-key.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { someText, command } from '../command.ts';
import { COUNT, object, TEXT } from '../json/shapes.ts';
import { finishIncoming, slotsForIncoming } from '../ring/incoming.ts';
import { describedRing, keyOrNone, onFreshRing, requireSlots, versionOfKey, type DescribedRing } from '../ring/ring.ts';
import { rescuedTag, tagVersion } from '../ring/version-tags.ts';
import { listVersions } from '../ring/versions.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';

export const ADOPT = command<AdoptOptions>({
  name: 'adopt',
  summary: 'Give every key in use a number, as the daily run of the Lambda does',
  details: 'With --version-id it also rescues a key whose version has lost its last label.',
  examples: ['pazpaz-keys adopt', 'pazpaz-keys adopt --version-id 5f6cde2f-7a7e-4f6f-9d3c-0a7b3f0f9a11'],
  result: object({}, { rescued: object({ versionId: TEXT, number: COUNT }) }),
  writes: 'at once',
  setUp: (program) => program.option('--version-id <id>', 'a version that status lists without a number', someText),
  run: async ({ deps }, options) => {
    const result = await runAdopt(deps, options);
    return { result, lines: () => [adoptLine(result)] };
  },
});

export interface AdoptOptions {
  /** A version without labels to rescue as well. */
  readonly versionId?: string | undefined;
}

export interface AdoptResult {
  /** The number of the version that was to be rescued: new, or the one by which its key is on the ring already. */
  readonly rescued?: { readonly versionId: string; readonly number: number };
}

/**
 * Gives every key in use a number, finishes what a killed `put --not-current` left, and rescues a version without
 * labels. Refuses a version that was retired (`VERSION_IS_RETIRED`), that is gone (`UNKNOWN_VERSION`), that holds no
 * key (`INVALID_KEY_VALUE`, `VERSION_HAS_NO_VALUE`) or that a rotation has made (`ROTATION_UNDER_WAY`), and without a
 * label for each number (`RING_FULL`), before it writes anything.
 */
export async function runAdopt(deps: CommandDependencies, { versionId }: AdoptOptions): Promise<AdoptResult> {
  const described = await describedRing(deps);
  if (versionId !== undefined) await requireRescuable(deps, described, versionId);
  await requireSlotsForAll(deps, described.ring, versionId);
  await adoptInUse(deps);
  if (versionId === undefined) return {};
  return { rescued: { versionId, number: await rescue(deps, versionId) } };
}

/** Numbers `AWSPREVIOUS` and `AWSCURRENT`, and the key that arrived as `key-incoming`. */
async function adoptInUse(deps: CommandDependencies): Promise<void> {
  await onFreshRing(deps, async ({ ring }) => finishIncoming(deps, await adopt(deps, ring)));
}

/** The key that arrived gives its label back before the rescued one takes a label, so the two need one at a time. */
async function requireSlotsForAll(
  deps: CommandDependencies,
  ring: RingLabels,
  versionId: string | undefined,
): Promise<void> {
  const forIncoming = await slotsForIncoming(deps, ring);
  const forRescued = versionId === undefined || (await isKnown(deps, ring, versionId)) ? 0 : 1;
  await requireSlots(deps, ring, Math.max(forIncoming, forRescued));
}

async function rescue(deps: CommandDependencies, versionId: string): Promise<KeyNumber> {
  let number: KeyNumber | undefined;
  await onFreshRing(deps, async ({ secret, ring }) => {
    number = await numberOfKey(deps, ring, versionId);
    if (number !== undefined) return { ring, wrote: false };
    // It had its number at the first look, and somebody has retired it since.
    requireNotRetired(secret, versionId);
    requireFreeSlots(ring, 1);
    await tagVersion(deps, secret.Tags, rescuedTag(versionId, deps.now()));
    const rescued = await attachNextNumber(deps, ring, versionId);
    number = rescued.numberOf.get(versionId);
    return { ring: rescued, wrote: true };
  });
  if (number === undefined)
    throw new KeyRotationError('NUMBER_LOST', `Version ${versionId} has lost its number again.`);
  return number;
}

/** The number under which this version's key can be read already: its own, or that of a copy. */
async function numberOfKey(
  deps: CommandDependencies,
  ring: RingLabels,
  versionId: string,
): Promise<KeyNumber | undefined> {
  const own = ring.numberOf.get(versionId);
  if (own !== undefined) return own;
  const key = await keyOrNone(deps, versionId);
  if (key === undefined) return undefined;
  return ring.numberOf.get((await versionOfKey(deps, ring, key)) ?? '');
}

/** Whether this version's key has a number, or gets one as a key in use. */
async function isKnown(deps: CommandDependencies, ring: RingLabels, versionId: string): Promise<boolean> {
  if (ring.numberOf.has(versionId)) return true;
  const key = await keyOrNone(deps, versionId);
  return key !== undefined && (await versionOfKey(deps, ring, key)) !== undefined;
}

async function requireRescuable(
  deps: CommandDependencies,
  { secret, ring }: DescribedRing,
  versionId: string,
): Promise<void> {
  if (ring.numberOf.has(versionId)) return;
  requireNotRetired(secret, versionId);
  if (ring.pending === versionId && ring.current !== versionId) {
    throw new CommandRefusal(
      'ROTATION_UNDER_WAY',
      `Version ${versionId} is the pending version of a rotation, which numbers it by itself. 'rotate --wait' follows it.`,
      step('rotate', '--wait'),
    );
  }
  await requireKeyIn(deps, versionId);
}

function requireNotRetired({ Tags }: DescribedRing['secret'], versionId: string): void {
  const retired = retiredKeys(Tags).find((key) => key.versionId === versionId);
  if (retired === undefined) return;
  throw new CommandRefusal(
    'VERSION_IS_RETIRED',
    `Version ${versionId} is key ${retired.number}, retired on ${retired.date}. 'restore' brings it back under its own number.`,
    step('restore', String(retired.number)),
  );
}

async function requireKeyIn(deps: CommandDependencies, versionId: string): Promise<void> {
  if (!(await isListed(deps, versionId))) {
    throw new CommandRefusal(
      'UNKNOWN_VERSION',
      `The secret has no version ${versionId}: AWS has deleted it, or the id is wrong. 'status' lists every version that is left.`,
      step('status'),
    );
  }
  if (!(await hasValue(deps, versionId))) {
    throw new KeyRotationError(
      'VERSION_HAS_NO_VALUE',
      `Version ${versionId} has no value: it is what a rotation left that was given up before it made a key. Nothing was ever encrypted with it, so it needs no number.`,
    );
  }
  if ((await keyOrNone(deps, versionId)) === undefined) {
    throw new KeyRotationError(
      'INVALID_KEY_VALUE',
      `Version ${versionId} holds no valid key, so it never encrypted anything and needs no number.`,
    );
  }
}

async function isListed(deps: CommandDependencies, versionId: string): Promise<boolean> {
  return (await listVersions(deps)).some((version) => version.VersionId === versionId);
}

function adoptLine({ rescued }: AdoptResult): string {
  return rescued === undefined
    ? 'Every key in use has a number.'
    : `Version ${rescued.versionId} can be read as key ${rescued.number}; every key in use has a number.`;
}
