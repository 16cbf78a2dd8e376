import type { ServiceState } from './state.ts';

/** What the service does by itself. Moments are of its own clock, in milliseconds since 1970. */
export interface DueMoment {
  readonly at: number;
  readonly arn: string;
  readonly what: 'rotation' | 'deletion';
}

/** The earliest that `isDone` does not report, overdue ones included. */
export function nextDueMoment(state: ServiceState, isDone: (due: DueMoment) => boolean): DueMoment | undefined {
  let next: DueMoment | undefined;
  for (const secret of Object.values(state.secrets)) {
    const due = dueMomentOf(secret.arn, state);
    if (due !== undefined && (next === undefined || due.at < next.at) && !isDone(due)) next = due;
  }
  return next;
}

function dueMomentOf(arn: string, state: ServiceState): DueMoment | undefined {
  const secret = state.secrets[arn];
  if (secret?.deletion !== undefined) return { at: secret.deletion.deletesAt, arn, what: 'deletion' };
  const rotation = secret?.rotation;
  if (rotation?.enabled !== true || rotation.nextRotationDate === undefined) return undefined;
  return { at: rotation.nextRotationDate, arn, what: 'rotation' };
}
