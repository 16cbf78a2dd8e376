import { keyOf } from './operations/kms-key.ts';
import type { Replica, Secret, ServiceState } from './state.ts';
import { withEachVersion } from './version-archive.ts';
import { withoutMember } from './without-member.ts';

/** One process serves all regions. Replicas are made from their primary for each call, so they are never behind. */

export function regionOf(arn: string): string {
  return arn.split(':')[3] ?? '';
}

/** "The ARN for a replicated secret is the same as the primary secret except for the Region". */
function arnIn(arn: string, region: string): string {
  const parts = arn.split(':');
  parts[3] = region;
  return parts.join(':');
}

const views = new WeakMap<ServiceState, Map<string, ServiceState>>();

/** The state as a call in this region sees it. */
export function viewOf(state: ServiceState, region: string): ServiceState {
  const known = views.get(state) ?? new Map<string, ServiceState>();
  views.set(state, known);
  const view = known.get(region) ?? madeView(state, region);
  known.set(region, view);
  return view;
}

function madeView(state: ServiceState, region: string): ServiceState {
  const all = Object.values(state.secrets);
  if (all.every(({ arn }) => regionOf(arn) === region)) return state;
  const seen = all.flatMap((secret) => {
    if (regionOf(secret.arn) === region) return [secret];
    const replica = secret.replicas?.find((one) => one.region === region && one.status === 'InSync');
    return replica === undefined ? [] : [replicaOf(secret, replica)];
  });
  return { secrets: Object.fromEntries(seen.map((secret) => [secret.arn, secret])) };
}

/** The values, labels, tags and policy of its primary, under a KMS key of its own. */
function replicaOf(primary: Secret, { region, kmsKeyId, lastAccessedDate }: Replica): Secret {
  const copied = withEachVersion(primary, (version) => ({
    ...withoutMember(version, 'kmsKeyId'),
    ...keyOf(kmsKeyId),
  }));
  return {
    ...withoutMember(copied, 'rotation', 'replicas', 'lastAccessedDate', 'kmsKeyId'),
    arn: arnIn(primary.arn, region),
    primaryRegion: regionOf(primary.arn),
    ...keyOf(kmsKeyId),
    ...(lastAccessedDate === undefined ? {} : { lastAccessedDate }),
  };
}

/** Stores `next`, in which a call in this region has left its view. */
export function withView(state: ServiceState, region: string, next: ServiceState): ServiceState {
  const view = viewOf(state, region);
  if (next === view) return state;
  if (view === state) return next;
  const isGone = (arn: string) => view.secrets[arn] !== undefined && next.secrets[arn] === undefined;
  const secrets = Object.fromEntries(Object.entries(state.secrets).filter(([arn]) => !isGone(arn)));
  for (const secret of Object.values(next.secrets)) {
    if (secret === view.secrets[secret.arn]) continue;
    if (secret.primaryRegion === undefined) secrets[secret.arn] = secret;
    else noteRead(secrets, secret, secret.primaryRegion);
  }
  return { secrets };
}

/** Of a replica, a call can change only the day of its last read. */
function noteRead(secrets: Record<string, Secret>, replica: Secret, primaryRegion: string): void {
  const primary = secrets[arnIn(replica.arn, primaryRegion)];
  const { lastAccessedDate } = replica;
  if (primary === undefined || lastAccessedDate === undefined) return;
  const region = regionOf(replica.arn);
  const replicas = primary.replicas?.map((one) => (one.region === region ? { ...one, lastAccessedDate } : one));
  secrets[primary.arn] = { ...primary, ...(replicas === undefined ? {} : { replicas }) };
}
