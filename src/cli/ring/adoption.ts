import { INCOMING_LABEL, MAX_STAGING_LABELS, type RingLabels } from '../../format/ring-labels.ts';
import type { RingChange } from '../../secret/fresh-ring.ts';
import { attachNumber } from '../../secret/numbering.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { finishMove, tagFormer } from '../move/interrupted-move.ts';
import { incomingVersion } from './incoming.ts';
import { detachLabel, holderOf, MOVING_LABEL, RESTORING_LABEL, withoutLabels } from './labels.ts';
import { keysWithoutNumber, type DescribedRing } from './ring.ts';

export interface AdoptionPlan {
  /** Labels that go first, because a number needs their place. */
  readonly freed: readonly string[];
  /** In the order of their numbers. */
  readonly inUse: readonly string[];
  /** The incoming key, if it gets a number. */
  readonly incoming: readonly string[];
  readonly waiting: readonly string[];
}

/**
 * `keys`: the versions in use, and the incoming one, that hold a key and have no number. On a full ring the current key
 * takes a place that is kept for AWS's own labels: `retire` refuses while rows have no number, and `reencrypt` while
 * the current key is unnumbered, so nothing else could make room (docs/adr/0035).
 */
export function planAdoption(ring: RingLabels, keys: ReadonlySet<string>): AdoptionPlan {
  const arriving = incomingVersion(ring);
  // AWSCURRENT keeps an incoming key that has become current meanwhile.
  const isIdle = arriving !== undefined && (!keys.has(arriving) || arriving === ring.current);
  const idle = isIdle ? [INCOMING_LABEL] : [];
  const plan = planWithout(ring, idle, keys);
  const ended = endable(ring);
  if (ended.length === 0) return plan;
  const freed = planWithout(ring, [...idle, ...ended], keys);
  const isMoveStuck = ended.includes(MOVING_LABEL) && hasNoPlaceToMove(ring);
  return freed.waiting.length < plan.waiting.length || isMoveStuck ? freed : plan;
}

/** Labels of interrupted commands that nothing needs: of `restore-ring`, once its key has the number. */
function endable({ stages, numberOf }: RingLabels): readonly string[] {
  const restoring = holderOf(stages, RESTORING_LABEL);
  return [
    ...(holderOf(stages, MOVING_LABEL) === undefined ? [] : [MOVING_LABEL]),
    ...(restoring !== undefined && numberOf.has(restoring) ? [RESTORING_LABEL] : []),
  ];
}

function planWithout(ring: RingLabels, freed: readonly string[], keys: ReadonlySet<string>): AdoptionPlan {
  const left = withoutLabels(ring, freed);
  const room = placesLeft(left);
  const all = [ring.previous, ring.current].flatMap((id) => (id !== undefined && keys.has(id) ? [id] : []));
  const inUse = all.length <= left.freeSlots ? all : all.filter((id) => id === ring.current && room >= 1);
  // It gives a label back as soon as it has its number.
  const arriving = [incomingVersion(ring)].flatMap((id) =>
    id !== undefined && keys.has(id) && !all.includes(id) ? [id] : [],
  );
  const incoming = arriving.filter(() => room - inUse.length >= 1);
  const waiting = [...all, ...arriving].filter((id) => !inUse.includes(id) && !incoming.includes(id));
  return { freed, inUse, incoming, waiting };
}

/** Other labels have taken the place of its own. */
export function hasNoPlaceToMove(ring: RingLabels): boolean {
  return withoutLabels(ring, [MOVING_LABEL]).freeSlots < 0;
}

/** Labels that AWS still takes, those included that are kept for its own. */
export function placesLeft({ stages }: RingLabels): number {
  return MAX_STAGING_LABELS - Object.values(stages).reduce((sum, labels) => sum + labels.length, 0);
}

export async function keysToAdopt(deps: CommandDependencies, ring: RingLabels): Promise<ReadonlySet<string>> {
  return keysWithoutNumber(deps, ring, [ring.previous, ring.current, incomingVersion(ring)]);
}

/** As far as there is room. Also finishes what a killed `put --not-current` left. */
export async function adoptWithRoom(deps: CommandDependencies, { secret, ring }: DescribedRing): Promise<RingChange> {
  const plan = planAdoption(ring, await keysToAdopt(deps, ring));
  let change: RingChange = { ring, wrote: false };
  if (plan.freed.includes(MOVING_LABEL)) {
    await tagFormer(deps, secret, ring);
    change = await finishMove(deps, change, secret);
  }
  for (const label of [INCOMING_LABEL, RESTORING_LABEL])
    if (plan.freed.includes(label)) change = await free(deps, change, label);
  change = await numbered(deps, change, [...plan.inUse, ...plan.incoming]);
  return plan.incoming.length > 0 ? free(deps, change, INCOMING_LABEL) : change;
}

export async function adoptInUse(deps: CommandDependencies, ring: RingLabels): Promise<RingChange> {
  const { inUse } = planWithout(ring, [], await keysWithoutNumber(deps, ring));
  return numbered(deps, { ring, wrote: false }, inUse);
}

async function numbered(
  deps: CommandDependencies,
  change: RingChange,
  versionIds: readonly string[],
): Promise<RingChange> {
  let { ring } = change;
  for (const versionId of versionIds) ring = await attachNumber(deps, ring, versionId);
  return { ring, wrote: change.wrote || versionIds.length > 0 };
}

async function free(deps: CommandDependencies, { ring }: RingChange, label: string): Promise<RingChange> {
  await detachLabel(deps, label, holderOf(ring.stages, label) ?? '');
  return { ring: withoutLabels(ring, [label]), wrote: true };
}
