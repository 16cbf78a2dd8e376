import { KeyRotationError } from '../../format/error.ts';
import type { KeyNumber } from '../../format/key-number.ts';
import { copyVersions, retiredKeys, type RetiredKey } from '../../format/retired-tag.ts';
import type { RingLabels } from '../../format/ring-labels.ts';
import type { RingChange } from '../../secret/fresh-ring.ts';
import { attachNextNumber, requireFreeSlots } from '../../secret/numbering.ts';
import { hasValue } from '../../secret/read-key.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { someText, command } from '../command.ts';
import { COUNT, described, listOf, object, TEXT } from '../json/shapes.ts';
import { adoptWithRoom, keysToAdopt, planAdoption } from '../ring/adoption.ts';
import { incomingVersion } from '../ring/incoming.ts';
import { withoutLabels } from '../ring/labels.ts';
import { requireSeen } from '../ring/look-again.ts';
import {
  describedRing,
  keyOrNone,
  onSettledRing,
  readableKey,
  requireSlots,
  versionOfKey,
  type DescribedRing,
} from '../ring/ring.ts';
import { copyTags, requireTagRoom, rescuedTag, tagVersions, untagCopy, untagNumbered } from '../ring/version-tags.ts';
import { listVersions } from '../ring/versions.ts';
import { wrongKeys } from '../status/notes.ts';
import { readRingReport } from '../status/ring-report.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';
import { wrapped } from '../terminal/table.ts';

export const ADOPT = command<AdoptOptions>({
  name: 'adopt',
  summary: 'Give every key in use a number, as the daily run of the Lambda does',
  details: 'With --version-id it also rescues a key whose version has lost its last label.',
  examples: ['pazpaz-keys adopt', 'pazpaz-keys adopt --version-id 5f6cde2f-7a7e-4f6f-9d3c-0a7b3f0f9a11'],
  result: object(
    {},
    {
      rescued: object({ versionId: TEXT, number: COUNT }),
      waiting: described('Versions that have no number yet, because no label is free', listOf(TEXT)),
    },
  ),
  writes: 'at once',
  setUp: (program) => program.option('--version-id <id>', 'a version that status lists without a number', someText),
  run: async ({ deps }, options) => {
    const result = await runAdopt(deps, options);
    const { waiting } = result;
    if (waiting !== undefined)
      return { result, lines: () => wrapped(waitingText(waiting)), exitCode: 1, next: [step('status')] };
    const wrong = wrongKeys(await readRingReport(deps, { readsNumbered: true }));
    if (wrong.length === 0) return { result, lines: () => [adoptLine(result)] };
    return {
      result,
      lines: () => wrong.flatMap(({ text }) => wrapped(text)),
      exitCode: 1,
      next: [...wrong.flatMap(({ next }) => next), step('status')],
    };
  },
});

export interface AdoptOptions {
  /** A version without labels to rescue. */
  readonly versionId?: string | undefined;
}

export interface AdoptResult {
  /** The number of the rescued version: new, or the one that it already had. */
  readonly rescued?: { readonly versionId: string; readonly number: number };
  /** Versions that have no number yet, because no label is free. */
  readonly waiting?: readonly string[];
}

/**
 * Gives every key in use a number, finishes what a killed `put --not-current` left, and rescues a version without
 * labels. Before it writes anything, it refuses a version that was retired (`VERSION_IS_RETIRED`), is gone
 * (`UNKNOWN_VERSION`), holds no key (`INVALID_KEY_VALUE`, `VERSION_HAS_NO_VALUE`) or belongs to a rotation
 * (`ROTATION_UNDER_WAY`), and a ring without a free label (`RING_FULL`). Where there is room for some keys only, the
 * current one comes first.
 */
export async function runAdopt(deps: CommandDependencies, { versionId }: AdoptOptions): Promise<AdoptResult> {
  const described = await describedRing(deps);
  if (versionId !== undefined) {
    await requireRescuable(deps, described, versionId);
    await refuseRetiredKey(deps, described, versionId);
  }
  await requireRoomToAdopt(deps, described.ring, versionId);
  if (versionId !== undefined)
    await requireTagRoom(deps, described.secret.Tags, [rescuedTag(versionId, deps.now()).Key ?? '']);
  let rescued: KeyNumber | undefined;
  const { ring, wrote } = await onSettledRing(deps, async (shown) => {
    const adopted = await adoptWithRoom(deps, shown);
    const secret = { ...shown.secret, Tags: [...(await untagNumbered(deps, shown.secret.Tags, adopted.ring))] };
    if (versionId === undefined) return adopted;
    rescued = await numberOfKey(deps, adopted.ring, versionId);
    if (rescued !== undefined) return noteCopy(deps, adopted, secret, versionId);
    // It had its number at the first look, and has been retired since.
    requireNotRetired(secret, versionId);
    const change = await rescue(deps, adopted.ring, secret, versionId);
    rescued = change.ring.numberOf.get(versionId);
    return change;
  });
  if (wrote) await requireSeen(deps, 'Keys were numbered.', (later) => hasNumbersOf(later.ring, ring, rescued));
  if (versionId === undefined) return withoutNumber(deps, ring);
  if (rescued === undefined)
    throw new KeyRotationError('NUMBER_LOST', `Version ${versionId} has lost its number again.`);
  return { rescued: { versionId, number: rescued } };
}

/** What adoption has left without a number. */
async function withoutNumber(deps: CommandDependencies, ring: RingLabels): Promise<AdoptResult> {
  const waiting = await keysToAdopt(deps, ring);
  return waiting.size === 0 ? {} : { waiting: [...waiting] };
}

/** Whether every key in use has its number, those aside that it has left, and so has the rescued one. */
function hasNumbersOf(shown: RingLabels, adopted: RingLabels, rescued: KeyNumber | undefined): boolean {
  const left = [adopted.current, adopted.previous].filter((id) => id !== undefined && !adopted.numberOf.has(id));
  const inUse = [shown.current, shown.previous].filter((id) => id !== undefined);
  return (
    inUse.every((id) => shown.numberOf.has(id) || left.includes(id)) &&
    (rescued === undefined || shown.versionOf.has(rescued)) &&
    incomingVersion(shown) === incomingVersion(adopted)
  );
}

/** Refuses before the first write where a key has to wait: the rescued one, or all of them. */
async function requireRoomToAdopt(
  deps: CommandDependencies,
  ring: RingLabels,
  versionId: string | undefined,
): Promise<void> {
  const { freed, inUse, incoming, waiting } = planAdoption(ring, await keysToAdopt(deps, ring));
  const isRescue = versionId !== undefined && !(await isKnown(deps, ring, versionId));
  if (!isRescue && (waiting.length === 0 || freed.length + inUse.length + incoming.length > 0)) return;
  const others = withoutLabels(ring, freed);
  await requireSlots(deps, others, isRescue || incomingVersion(others) !== undefined ? 1 : 0);
}

/** Tags a version without a number whose key is on the ring, so that `status` no longer asks for its rescue. */
async function noteCopy(
  deps: CommandDependencies,
  adopted: RingChange,
  { Tags }: DescribedRing['secret'],
  versionId: string,
): Promise<RingChange> {
  if (adopted.ring.numberOf.has(versionId) || copyVersions(Tags).has(versionId)) return adopted;
  await tagVersions(deps, Tags, copyTags([versionId], deps.now()));
  return { ring: adopted.ring, wrote: true };
}

/** Gives a version its number, after a tag that says that it was late. */
async function rescue(
  deps: CommandDependencies,
  ring: RingLabels,
  { Tags }: DescribedRing['secret'],
  versionId: string,
): Promise<RingChange> {
  requireFreeSlots(ring, 1);
  await tagVersions(deps, Tags, [rescuedTag(versionId, deps.now())]);
  if (copyVersions(Tags).has(versionId)) await untagCopy(deps, Tags, versionId);
  return { ring: await attachNextNumber(deps, ring, versionId), wrote: true };
}

/** The number under which this version's key can be read: its own, or that of an equal key. */
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
      `Version ${versionId} is the pending version of a rotation, which will number it. Follow it with 'rotate ` +
        "--wait'.",
      step('rotate', '--wait'),
    );
  }
  await requireKeyIn(deps, versionId);
}

function requireNotRetired({ Tags }: DescribedRing['secret'], versionId: string): void {
  const retired = retiredKeys(Tags).find((key) => key.versionId === versionId);
  if (retired !== undefined) throw isRetired(versionId, retired);
}

/** Under another number a retired key would decrypt again. A tag ends the advice to rescue this version. */
async function refuseRetiredKey(
  deps: CommandDependencies,
  { secret, ring }: DescribedRing,
  versionId: string,
): Promise<void> {
  const records = retiredKeys(secret.Tags).filter(({ number }) => !ring.versionOf.has(number));
  if (records.length === 0 || (await isKnown(deps, ring, versionId))) return;
  const key = await keyOrNone(deps, versionId);
  for (const record of records) {
    const retired = await readableKey(deps, record.versionId);
    if (key === undefined || retired?.key.equals(key) !== true) continue;
    await tagVersions(deps, secret.Tags, copyTags([versionId], deps.now()));
    throw isRetired(versionId, record);
  }
}

function isRetired(versionId: string, { number, date }: RetiredKey): KeyRotationError {
  return new CommandRefusal(
    'VERSION_IS_RETIRED',
    `Version ${versionId} is key ${number}, retired on ${date}. 'restore' brings it back under that number.`,
    step('restore', String(number)),
  );
}

async function requireKeyIn(deps: CommandDependencies, versionId: string): Promise<void> {
  if (!(await isListed(deps, versionId))) {
    throw new CommandRefusal(
      'UNKNOWN_VERSION',
      `The secret has no version ${versionId}: AWS has deleted it, or the id is wrong. 'status' lists every ` +
        'version that still exists.',
      step('status'),
    );
  }
  if (!(await hasValue(deps, versionId))) {
    throw new KeyRotationError(
      'VERSION_HAS_NO_VALUE',
      `Version ${versionId} has no value: a rotation left it when it was abandoned before it made a key. It ` +
        'never encrypted anything, so it needs no number.',
    );
  }
  if ((await keyOrNone(deps, versionId)) === undefined) {
    throw new KeyRotationError(
      'INVALID_KEY_VALUE',
      `Version ${versionId} does not hold a valid key, so it never encrypted anything and needs no number.`,
    );
  }
}

async function isListed(deps: CommandDependencies, versionId: string): Promise<boolean> {
  return (await listVersions(deps)).some((version) => version.VersionId === versionId);
}

function waitingText(waiting: readonly string[]): string {
  const [which, has] = waiting.length === 1 ? ['Version', 'has'] : ['Versions', 'have'];
  return `${which} ${waiting.join(', ')} ${has} no number yet: no label is free. Make room as status says, then run this again.`;
}

function adoptLine({ rescued }: AdoptResult): string {
  return rescued === undefined
    ? 'Every key in use has a number.'
    : `Version ${rescued.versionId} can be read as key ${rescued.number}; every key in use has a number.`;
}
