import type { RingState } from '../../keyring/ring-state.ts';
import { attachNextNumber } from '../../steps/numbering.ts';
import type { CommandDependencies } from '../dependencies.ts';
import { detachLabel } from './labels.ts';
import { keyOrNone } from './ring.ts';

/** Carries a key that only reads, from the put until it has its number. */
export const INCOMING_LABEL = 'key-incoming';

/** The version that has the label. */
export function incomingVersion(ring: RingState): string | undefined {
  return Object.keys(ring.stages).find((id) => ring.stages[id]?.includes(INCOMING_LABEL));
}

/**
 * Numbers the key that arrived, if it has no number yet, then takes `key-incoming` off. A value that is no key just
 * loses the label. Resolves to whether there was anything to do.
 */
export async function finishIncoming(deps: CommandDependencies, ring: RingState): Promise<boolean> {
  const versionId = incomingVersion(ring);
  if (versionId === undefined) return false;
  const isKey = ring.numberOf.has(versionId) || (await keyOrNone(deps, versionId)) !== undefined;
  if (isKey && !ring.numberOf.has(versionId)) await attachNextNumber(deps, deps.secretId, ring, versionId);
  await detachLabel(deps, INCOMING_LABEL, versionId);
  return true;
}
