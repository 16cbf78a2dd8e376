import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager';
import type { RingLabels } from '../format/ring-labels.ts';
import type { StepDependencies } from './dependencies.ts';
import { hasValue } from './read-key.ts';

const DAY = 86_400_000;

/** Whole days. The rotation is late by the date that the service names, or else by its rule. */
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

/** Days that are over; 0 for a future time. */
export function wholeDays(milliseconds: number): number {
  return Math.max(0, Math.floor(milliseconds / DAY));
}

/** `placeholder`: a version with `AWSPENDING` that has no value yet, as a refused rotation leaves it. */
export async function pendingKind(deps: StepDependencies, ring: RingLabels): Promise<'none' | 'placeholder' | 'value'> {
  if (ring.pending === undefined || ring.pending === ring.current) return 'none';
  return (await hasValue(deps, ring.pending)) ? 'value' : 'placeholder';
}
