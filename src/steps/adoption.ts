import { ringLabels } from '../format/ring-labels.ts';
import { adopt } from '../secret/adopt.ts';
import type { StepDependencies } from '../secret/dependencies.ts';
import { describe, fromFreshState } from '../secret/fresh-ring.ts';
import { pendingKind, rotationAge } from '../secret/rotation-status.ts';

/** Adopts daily and after a change by hand. Ends with the line `key_ring_state`, which the alarms read. */
export async function adoptAndReport(deps: StepDependencies): Promise<void> {
  const read = async () => ({ ring: ringLabels((await describe(deps)).VersionIdsToStages) });
  await fromFreshState(deps, read, ({ ring }) => adopt(deps, ring));
  await reportRingState(deps);
}

async function reportRingState(deps: StepDependencies): Promise<void> {
  const secret = await describe(deps);
  const ring = ringLabels(secret.VersionIdsToStages);
  deps.log('key_ring_state', {
    secretId: deps.secretId,
    // The metric filter takes no number below 0: labels may be in the places of AWS's own.
    freeSlots: Math.max(0, ring.freeSlots),
    currentNumber: ring.current === undefined ? 0 : (ring.numberOf.get(ring.current) ?? 0),
    ...rotationAge(secret, deps.now()),
    // A rotation that was switched off has no date, so with a cron() expression none is ever late.
    rotationEnabled: secret.RotationEnabled === true,
    pending: await pendingKind(deps, ring),
  });
}
