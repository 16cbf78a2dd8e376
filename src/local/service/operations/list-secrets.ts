import { present } from '../answer.ts';
import { pageOf } from '../page.ts';
import type { Outcome } from '../secrets.ts';
import type { listSecrets as shape } from '../shapes.ts';
import { type Read } from '../shapes.ts';
import type { CallContext, Secret, ServiceState } from '../state.ts';
import { detailsOf, stagesById } from './describe-secret.ts';
import { fittingAll } from './secret-filters.ts';

const PAGE = 100;

type Request = Read<typeof shape>;

/** By creation date, ascending by default. (The default direction is on no record.) */
export function listSecrets(state: ServiceState, input: Request, context: CallContext): Outcome {
  const listed = Object.values(state.secrets)
    .filter((secret) => input.IncludePlannedDeletion === true || secret.deletion === undefined)
    .filter(fittingAll(input.Filters ?? [], context.region))
    .sort(orderOf(input));
  const page = pageOf(listed, input.MaxResults ?? PAGE, input.NextToken);
  const secrets = page.elements.map((secret) =>
    present({ ...detailsOf(secret, context.now), SecretVersionsToStages: stagesById(secret) }),
  );
  return { state, output: present({ SecretList: secrets, NextToken: page.nextToken }) };
}

function orderOf({ SortBy: by, SortOrder: direction }: Request): (one: Secret, other: Secret) => number {
  const sign = direction === 'desc' ? -1 : 1;
  if (by === 'name') return (one, other) => sign * (one.name < other.name ? -1 : Number(one.name > other.name));
  const dateOf = (secret: Secret): number => {
    if (by === 'last-accessed-date') return secret.lastAccessedDate ?? 0;
    return by === 'last-changed-date' ? secret.lastChangedDate : secret.createdDate;
  };
  return (one, other) => sign * (dateOf(one) - dateOf(other));
}
