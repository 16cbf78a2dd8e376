import type { ServiceState } from './state.ts';
import { allVersions } from './version-archive.ts';

/** The latest date of a state, so that its clock continues from there; 0 without secrets. */
export function latestDate({ secrets }: ServiceState): number {
  return Object.values(secrets)
    .flatMap((secret) => [
      secret.createdDate,
      secret.lastChangedDate,
      secret.deletion?.deletedDate ?? 0,
      secret.rotation?.lastRotatedDate ?? 0,
      ...allVersions(secret).map(([, { createdDate }]) => createdDate),
    ])
    .reduce((latest, date) => Math.max(latest, date), 0);
}
