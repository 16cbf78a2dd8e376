import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager';
import { ringState, type RingState } from '../format/ring-labels.ts';
import { adopt } from './adopt.ts';
import type { StepDependencies } from './dependencies.ts';
import { hasValue } from './read-key.ts';
import { describe, fromFreshState } from './rotation-state.ts';

const DAY = 86_400_000;

/**
 * Adopts outside a rotation: once a day, and whenever somebody else changed a value or a label of the secret. Writes
 * nothing where there is nothing to do. Ends with the line `key_ring_state`, which the alarms are built on.
 */
export async function adoptAndReport(deps: StepDependencies, secretId: string): Promise<void> {
  const read = async () => ({
    ring: ringState((await describe(deps, secretId)).VersionIdsToStages),
    alreadyCurrent: false,
  });
  await fromFreshState(deps, read, secretId, ({ ring }) => adopt(deps, secretId, ring));
  await reportRingState(deps, secretId);
}

async function reportRingState(deps: StepDependencies, secretId: string): Promise<void> {
  const secret = await describe(deps, secretId);
  const ring = ringState(secret.VersionIdsToStages);
  deps.log('key_ring_state', {
    secretId,
    freeSlots: ring.freeSlots,
    currentNumber: ring.current === undefined ? 0 : (ring.numberOf.get(ring.current) ?? 0),
    ...rotationAge(secret, deps.now()),
    // A rotation that was turned off has no date, so where its rule is a cron() expression none is ever late.
    rotationEnabled: secret.RotationEnabled === true,
    pending: await pendingKind(deps, secretId, ring),
  });
}

/**
 * Whole days since the last rotation (since the secret was made, if there was none), and by how many of them the
 * rotation is late: by its date where the service names one, else by the days of its rule.
 */
export function rotationAge(
  secret: DescribeSecretResponse,
  now: Date,
): { daysSinceRotation: number; daysOverdue: number } {
  const last = secret.LastRotatedDate ?? secret.CreatedDate ?? now;
  const daysSinceRotation = wholeDays(now.getTime() - last.getTime());
  const interval = secret.RotationRules?.AutomaticallyAfterDays;
  const daysOverdue =
    interval === undefined
      ? wholeDays(now.getTime() - (secret.NextRotationDate ?? now).getTime())
      : daysSinceRotation - interval;
  return { daysSinceRotation, daysOverdue: Math.max(0, daysOverdue) };
}

function wholeDays(milliseconds: number): number {
  return Math.max(0, Math.floor(milliseconds / DAY));
}

/**
 * Whether a rotation is under way (`value`) or was refused (`placeholder`: a version with `AWSPENDING` that has no value
 * yet).
 */
export async function pendingKind(
  deps: StepDependencies,
  secretId: string,
  ring: RingState,
): Promise<'none' | 'placeholder' | 'value'> {
  if (ring.pending === undefined || ring.pending === ring.current) return 'none';
  return (await hasValue(deps, secretId, ring.pending)) ? 'value' : 'placeholder';
}
