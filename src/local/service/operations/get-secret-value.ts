import { present, seconds, unlessEmpty } from '../answer.ts';
import { invalidRequest, notFound } from '../service-error.ts';
import { valueMembers } from '../secret-value.ts';
import { findLiveSecret, withSecret, type Outcome } from '../secrets.ts';
import type { getSecretValue as shape } from '../shapes.ts';
import { type Read } from '../shapes.ts';
import type { CallContext, Secret, SecretVersion, ServiceState } from '../state.ts';
import { replaceVersion, versionOf } from '../version-archive.ts';
import { CURRENT, holderOf, listedStages } from '../version-stages.ts';

type Request = Read<typeof shape>;

/** By VersionId, by VersionStage, by both if they agree, otherwise `AWSCURRENT`. */
export function getSecretValue(state: ServiceState, input: Request, context: CallContext): Outcome {
  const secret = findLiveSecret(state, input.SecretId);
  const id = wantedVersion(secret, input);
  const version = id === undefined ? undefined : versionOf(secret, id);
  // For a reader, a placeholder is not a version.
  if (id === undefined || version?.value === undefined) throw notFound(missing(input));
  return {
    state: accessed(state, secret, id, version, context.now),
    output: present({
      ARN: secret.arn,
      Name: secret.name,
      VersionId: id,
      ...valueMembers(version.value),
      VersionStages: unlessEmpty(listedStages(version)),
      CreatedDate: seconds(version.createdDate),
    }),
  };
}

function wantedVersion(secret: Secret, { VersionId: id, VersionStage: stage }: Request): string | undefined {
  if (id === undefined) return holderOf(secret.versions, stage ?? CURRENT);
  const version = versionOf(secret, id);
  if (version !== undefined && stage !== undefined && !version.stages.includes(stage)) {
    throw invalidRequest('You provided a VersionStage that is not associated to the provided VersionId.');
  }
  return id;
}

function missing({ VersionId: id, VersionStage: stage }: Request): string {
  const what = id === undefined ? `staging label: ${stage ?? CURRENT}` : `VersionId: ${id}`;
  return `Secrets Manager can't find the specified secret value for ${what}`;
}

const DAY = 86_400_000;

/** The day of a read, of the secret and of the version. */
function accessed(state: ServiceState, secret: Secret, id: string, version: SecretVersion, now: number): ServiceState {
  const today = Math.floor(now / DAY) * DAY;
  if (secret.lastAccessedDate === today && version.lastAccessedDate === today) return state;
  const read = replaceVersion(secret, id, { ...version, lastAccessedDate: today });
  return withSecret(state, { ...read, lastAccessedDate: today });
}
