import { INCOMING_LABEL, type RingLabels } from '../../format/ring-labels.ts';
import type { RingChange } from '../../secret/fresh-ring.ts';
import { attachNextNumber } from '../../secret/numbering.ts';
import type { CommandDependencies } from '../aws/operator.ts';
import { detachLabel, holderOf, withoutLabels } from './labels.ts';
import { keysWithoutNumber } from './ring.ts';

export function incomingVersion(ring: RingLabels): string | undefined {
  return holderOf(ring.stages, INCOMING_LABEL);
}

/** That `finishIncoming` takes before it frees one. */
export async function slotsForIncoming(deps: CommandDependencies, ring: RingLabels): Promise<number> {
  return (await keysWithoutNumber(deps, ring, [incomingVersion(ring)])).size;
}

/** Numbers the incoming key if needed, then detaches `key-incoming`. A value that is not a key just loses the label. */
export async function finishIncoming(deps: CommandDependencies, change: RingChange): Promise<RingChange> {
  const { ring } = change;
  const versionId = incomingVersion(ring);
  if (versionId === undefined) return change;
  const needsNumber = (await slotsForIncoming(deps, ring)) > 0;
  const numbered = needsNumber ? await attachNextNumber(deps, ring, versionId) : ring;
  await detachLabel(deps, INCOMING_LABEL, versionId);
  return { ring: withoutLabels(numbered, [INCOMING_LABEL]), wrote: true };
}
