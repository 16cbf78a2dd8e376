import type { SecretVersionsListEntry } from '@aws-sdk/client-secrets-manager';
import { numberingLabel, type KeyNumber } from '../../format/key-number.ts';
import { copyVersions, retiredKeys } from '../../format/retired-tag.ts';
import { hasAwsLabel, withNumber, type RingLabels } from '../../format/ring-labels.ts';
import { adopt } from '../../secret/adopt.ts';
import { refused } from '../../secret/aws-error.ts';
import type { RingChange } from '../../secret/fresh-ring.ts';
import { moveLabel } from '../../secret/move-label.ts';
import { readKey } from '../../secret/read-key.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { keyOf, numbersByVersion } from '../backup/read-ring.ts';
import type { BackedUpKey } from '../backup/ring-backup.ts';
import { movedVersionIds } from './derived-version.ts';
import { finishMove, movingVersion, tagFormer } from './interrupted-move.ts';
import { isSameKmsKey, isUnder, MANAGED_ALIAS } from '../ring/kms-keys.ts';
import { detachLabel, MOVING_LABEL, withoutLabels } from '../ring/labels.ts';
import { requireSeen } from '../ring/look-again.ts';
import {
  describedRing,
  noCurrentKey,
  onSettledRing,
  readableKey,
  refuseRotationUnderWay,
  requirePlaceFor,
  type DescribedRing,
} from '../ring/ring.ts';
import { MADE_TAG, madeDays, madeTag } from './made-tag.ts';
import { store } from '../ring/store.ts';
import { setTags } from '../ring/tags.ts';
import {
  abandonedVersions,
  copyTags,
  requireTagRoom,
  tagVersions,
  untagCopy,
  untagNumbered,
} from '../ring/version-tags.ts';
import { listVersions } from '../ring/versions.ts';
import { CommandRefusal, step } from '../suggested-commands.ts';
import { keyList } from '../terminal/table.ts';

/** It is on another version now, with the same key. */
interface MovedNumber {
  readonly number: KeyNumber;
  readonly from: string;
  readonly to: string;
}

interface LeftVersion {
  readonly numbers: readonly KeyNumber[];
  readonly versionId: string;
  readonly kmsKeyIds: readonly string[];
  /** It has one of AWS's labels, so only AWS re-encrypts it. */
  readonly isInUse: boolean;
}

export interface MoveResult {
  readonly kmsKeyId: string;
  readonly moved: readonly MovedNumber[];
  /** Moved ones included. */
  readonly under: readonly KeyNumber[];
  readonly left: readonly LeftVersion[];
  /** Other KMS keys that versions of the ring were under before. */
  readonly former: readonly string[];
  /** Only another KMS key can restore them. */
  readonly retiredElsewhere: readonly KeyNumber[];
  /** Without a number, under another KMS key, and with a foreign label or without any record. */
  readonly unnumberedElsewhere: readonly UnnumberedVersion[];
}

interface UnnumberedVersion {
  readonly versionId: string;
  readonly labels: readonly string[];
}

/** By version. */
type KmsKeys = ReadonlyMap<string, readonly string[]>;

type Numbered = readonly (readonly [string, readonly KeyNumber[]])[];

type Secret = DescribedRing['secret'];

/**
 * Brings the whole ring under another KMS key: the secret first, for which AWS re-encrypts the versions with its own
 * labels, then each other number. Its key is put as another version, read back and compared; then one call moves the
 * number. So a number names one key at every moment. Before it writes, it refuses a secret without a key
 * (`NO_CURRENT_KEY`), a rotation under way, a ring without a free label (`RING_FULL`), and too many tags
 * (`TOO_MANY_TAGS`). It can be killed and run again.
 */
export async function moveKeys(deps: CommandDependencies, kmsKeyId: string): Promise<MoveResult> {
  const first = await kmsKeysOf(deps);
  const ask = askOnce(deps, first, kmsKeyId);
  await ask(await describedRing(deps));
  const hasChanged = await setKmsKey(deps, kmsKeyId);
  const moved = new Map<KeyNumber, MovedNumber>();
  await onSettledRing(deps, async ({ secret, ring }) => {
    await ask({ secret, ring });
    const adopted = await adopt(deps, ring);
    let change: RingChange = { ...adopted, wrote: adopted.wrote || hasChanged };
    const versions = await listVersions(deps);
    const kmsKeys = kmsKeysIn(versions);
    await tagFormer(deps, secret, change.ring);
    const going = toMove(change.ring, kmsKeys, kmsKeyId);
    await keepDays(deps, secret, change.ring, going, versions);
    const former: string[] = [];
    let tags = await untagNumbered(deps, secret.Tags, change.ring);
    for (const [versionId, numbers] of going) {
      const key = await keyOf(deps, versionId, numbers, false);
      const copy = await putCopy(deps, { key, kmsKeys, kmsKeyId, moving: movingVersion(change.ring) });
      if (kmsKeys.has(copy)) tags = await untagCopy(deps, tags, copy);
      for (const number of numbers) {
        await moveLabel(deps, { label: numberingLabel(number), to: copy, from: versionId });
        moved.set(number, { number, from: versionId, to: copy });
        const left = withoutLabels(change.ring, [numberingLabel(number)]);
        change = { ring: withNumber(left, copy, number), wrote: true };
      }
      former.push(versionId);
      await tagVersions(deps, tags, copyTags(former, deps.now()).slice(-1));
      await detachLabel(deps, MOVING_LABEL, copy);
    }
    return finishMove(deps, change, secret);
  });
  const numbers = [...moved.keys()].sort((one, other) => one - other);
  const shown = await requireSeen(deps, `Moved: ${keyList(numbers)}.`, ({ ring }) =>
    [...moved.values()].every(({ number, to }) => ring.versionOf.get(number) === to),
  );
  return resultOf(deps, shown, { first, moved: numbers.flatMap((number) => moved.get(number) ?? []), kmsKeyId });
}

async function check(deps: CommandDependencies, ring: RingLabels): Promise<void> {
  if (ring.current === undefined) throw noCurrentKey(deps.secretId, 'so there is nothing to move');
  await refuseRotationUnderWay(deps, ring);
  await requirePlaceFor(deps, ring, MOVING_LABEL, 0);
}

function hasSecretKey({ secret }: DescribedRing, kmsKeyId: string): boolean {
  return isSameKmsKey(secret.KmsKeyId ?? MANAGED_ALIAS, kmsKeyId);
}

async function kmsKeysOf(deps: CommandDependencies): Promise<KmsKeys> {
  return kmsKeysIn(await listVersions(deps));
}

function kmsKeysIn(versions: readonly SecretVersionsListEntry[]): KmsKeys {
  return new Map(versions.map(({ VersionId = '', KmsKeyIds = [] }) => [VersionId, KmsKeyIds]));
}

/** Keys whose numbers go to younger versions keep their day in a tag. */
async function keepDays(
  deps: CommandDependencies,
  { Tags }: Secret,
  { versionOf }: RingLabels,
  going: Numbered,
  versions: readonly SecretVersionsListEntry[],
): Promise<void> {
  const known = madeDays(Tags);
  const days = new Map([...known].filter(([number]) => [...versionOf.keys()].some((one) => one === number)));
  for (const [versionId, numbers] of going) {
    const made = versions
      .find((version) => version.VersionId === versionId)
      ?.CreatedDate?.toISOString()
      .slice(0, 10);
    for (const number of numbers) if (made !== undefined && !days.has(number)) days.set(number, made);
  }
  if (going.length > 0 && [...days.keys()].some((number) => !known.has(number))) await setTags(deps, [madeTag(days)]);
}

/** Under another KMS key, without a label of AWS. */
function toMove(ring: RingLabels, kmsKeys: KmsKeys, kmsKeyId: string): Numbered {
  return [...numbersByVersion(ring)].filter(
    ([versionId]) => !hasAwsLabel(ring.stages[versionId]) && isUnder(kmsKeys.get(versionId) ?? [], kmsKeyId) === false,
  );
}

/** Resolves, once it shows, to whether it was another one. */
async function setKmsKey(deps: CommandDependencies, kmsKeyId: string): Promise<boolean> {
  const before = await describedRing(deps);
  await check(deps, before.ring);
  if (hasSecretKey(before, kmsKeyId)) return false;
  const { secrets, secretId } = deps;
  const input = { SecretId: secretId, KmsKeyId: kmsKeyId, ClientRequestToken: deps.newVersionId() };
  await secrets.updateSecret(input).catch((error: unknown) => {
    throw refused('UpdateSecret', secretId, error);
  });
  await requireSeen(deps, `The KMS key of the secret was set to ${kmsKeyId}.`, (later) =>
    hasSecretKey(later, kmsKeyId),
  );
  return true;
}

/**
 * Puts the key unless an earlier run has, and proves that it is the same. `moving`: the version that an earlier run has
 * labelled, which may have some of the key's numbers already.
 */
async function putCopy(
  deps: CommandDependencies,
  wanted: {
    readonly key: BackedUpKey;
    readonly kmsKeys: KmsKeys;
    readonly kmsKeyId: string;
    readonly moving: string | undefined;
  },
): Promise<string> {
  const { key, kmsKeys, kmsKeyId, moving } = wanted;
  const isUsable = (id: string): boolean => isUnder(kmsKeys.get(id) ?? [], kmsKeyId) !== false;
  const isBegun =
    moving !== undefined && isUsable(moving) && (await readableKey(deps, moving))?.key.equals(key.key) === true;
  const ids = [...(isBegun ? [moving] : []), ...movedVersionIds(key.key, key.numbers[0] ?? 0)];
  const copy = await store(deps, key.value(), [MOVING_LABEL], ids.find(isUsable) ?? deps.newVersionId());
  const stored = await readKey(deps, copy);
  const isUnderKey = isUnder((await kmsKeysOf(deps)).get(copy) ?? [], kmsKeyId) !== false;
  if (stored.key.equals(key.key) && isUnderKey) return copy;
  throw new CommandRefusal(
    'STATE_CHANGED',
    `Version ${copy} is not under KMS key ${kmsKeyId}: another process has changed the KMS key of the secret. ` +
      `${keyList(key.numbers)} was not moved. Every key can be read.`,
    step('status'),
  );
}

/** Checks a reading, and asks once there is something to do. */
function askOnce(
  deps: CommandDependencies,
  kmsKeys: KmsKeys,
  kmsKeyId: string,
): (described: DescribedRing) => Promise<void> {
  let isAsked = false;
  return async (described) => {
    const { ring } = described;
    await check(deps, ring);
    const isLeft = movingVersion(ring) !== undefined || !hasSecretKey(described, kmsKeyId);
    if (isAsked || (!isLeft && toMove(ring, kmsKeys, kmsKeyId).length === 0)) return;
    isAsked = true;
    const going = toMove(ring, kmsKeys, kmsKeyId);
    // A key that cannot be read, or a tag too many, would stop the command half way.
    const former = copyTags(
      going.map(([versionId]) => versionId),
      deps.now(),
    );
    const names = former.map(({ Key = '' }) => Key);
    if (names.length > 0) await requireTagRoom(deps, described.secret.Tags, [...names, MADE_TAG]);
    for (const [versionId, numbers] of going) await keyOf(deps, versionId, numbers, false);
    await confirmed(deps, described, kmsKeys, kmsKeyId);
  };
}

async function confirmed(
  deps: CommandDependencies,
  before: DescribedRing,
  kmsKeys: KmsKeys,
  kmsKeyId: string,
): Promise<void> {
  const { secret, ring } = before;
  const numbers = toMove(ring, kmsKeys, kmsKeyId).flatMap(([, all]) => all);
  const stack = secret.Tags?.find(({ Key }) => Key === 'aws:cloudformation:stack-name')?.Value;
  const sets = hasSecretKey(before, kmsKeyId)
    ? []
    : [
        `The KMS key of the secret is ${secret.KmsKeyId ?? MANAGED_ALIAS} now. AWS re-encrypts keys in use for the new one.`,
      ];
  await deps.confirm({
    action:
      numbers.length === 0
        ? `Set the KMS key of the secret to ${kmsKeyId}`
        : `Move ${keyList(numbers)} under KMS key ${kmsKeyId}: each number to another version with the same key`,
    basis: sets,
    risk:
      'The rotation function and every application must have kms:Decrypt on that KMS key already, or they cannot read the ' +
      'ring.' +
      (sets.length === 0 || stack === undefined
        ? ''
        : ` The next deploy of the stack ${stack} would set the former one again: deploy it with ExistingKmsKeyArn and ` +
          'FormerKmsKeyArn first.'),
  });
}

async function resultOf(
  deps: CommandDependencies,
  { secret, ring }: DescribedRing,
  done: { readonly first: KmsKeys; readonly moved: readonly MovedNumber[]; readonly kmsKeyId: string },
): Promise<MoveResult> {
  const { first, moved, kmsKeyId } = done;
  const now = await kmsKeysOf(deps);
  const under: KeyNumber[] = [];
  const left: LeftVersion[] = [];
  for (const [versionId, numbers] of numbersByVersion(ring)) {
    const kmsKeyIds = now.get(versionId) ?? [];
    if (isUnder(kmsKeyIds, kmsKeyId) === true) under.push(...numbers);
    else left.push({ numbers, versionId, kmsKeyIds, isInUse: hasAwsLabel(ring.stages[versionId]) });
  }
  const elsewhere = (versionId: string): boolean => isUnder(now.get(versionId) ?? [], kmsKeyId) === false;
  const former = new Set([...first.values(), ...now.values()].flat().filter((id) => !isSameKmsKey(id, kmsKeyId)));
  return {
    kmsKeyId,
    moved,
    under: under.sort((one, other) => one - other),
    left,
    former: [...former].sort(),
    retiredElsewhere: retiredKeys(secret.Tags).flatMap(({ number, versionId }) =>
      ring.versionOf.has(number) || !elsewhere(versionId) ? [] : [number],
    ),
    unnumberedElsewhere: unexplained({ secret, ring }, moved, [...now.keys()].filter(elsewhere)),
  };
}

/** Those that may still be needed: with a label, or perhaps with a lost key. */
function unexplained(
  { secret, ring }: DescribedRing,
  moved: readonly MovedNumber[],
  versionIds: readonly string[],
): readonly UnnumberedVersion[] {
  const known = new Set([
    ...moved.map(({ from }) => from),
    ...copyVersions(secret.Tags),
    ...abandonedVersions(secret.Tags),
    ...retiredKeys(secret.Tags).map(({ versionId }) => versionId),
  ]);
  return versionIds
    .filter((id) => !ring.numberOf.has(id))
    .map((versionId) => ({ versionId, labels: ring.stages[versionId] ?? [] }))
    .filter(({ versionId, labels }) => labels.length > 0 || !known.has(versionId));
}
