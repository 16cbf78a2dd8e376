import { present } from '../answer.ts';
import { alreadyExists, invalidRequest } from '../service-error.ts';
import { isSameValue, valueOf } from '../secret-value.ts';
import { checkName, lookUp, requireToken, withSecret, type Outcome } from '../secrets.ts';
import type { createSecret as shape } from '../shapes.ts';
import { type Read } from '../shapes.ts';
import type { CallContext, Secret, SecretValue, ServiceState } from '../state.ts';
import { versionOf } from '../version-archive.ts';
import { CURRENT } from '../version-stages.ts';
import { viewOf } from '../regions.ts';
import { keyOf } from './kms-key.ts';
import { replicate, statusOf } from './replication.ts';
import { checkedTags } from './tags.ts';

/** Idempotent by token and value. `Type` (external secrets) is ignored. */
export function createSecret(state: ServiceState, input: Read<typeof shape>, context: CallContext): Outcome {
  checkName(input.Name);
  const token = requireToken(input.ClientRequestToken);
  const value = valueOf(input);
  const tags = checkedTags(input.Tags ?? []);
  const existing = lookUp(viewOf(state, context.region), input.Name);
  if (existing !== undefined) return { state, output: answer(repeated(existing, token, value), token) };

  const secret: Secret = {
    arn: arnFor(input.Name, context),
    name: input.Name,
    ...(input.Description === undefined || input.Description === '' ? {} : { description: input.Description }),
    ...keyOf(input.KmsKeyId),
    tags,
    createdDate: context.now,
    lastChangedDate: context.now,
    versions:
      value === undefined
        ? {}
        : { [token]: { value, stages: [CURRENT], createdDate: context.now, ...keyOf(input.KmsKeyId) } },
  };
  const { AddReplicaRegions: regions = [], ForceOverwriteReplicaSecret: overwrites = false } = input;
  const created = regions.length === 0 ? withSecret(state, secret) : replicate(state, secret, regions, overwrites);
  const output = answer(secret, value === undefined ? undefined : token);
  const statuses = created.secrets[secret.arn]?.replicas?.map(statusOf);
  return { state: created, output: statuses === undefined ? output : { ...output, ReplicationStatus: statuses } };
}

/** The existing secret, if this request repeats the one that made it. Both refusals are recorded. */
function repeated(existing: Secret, token: string, value: SecretValue | undefined): Secret {
  if (existing.deletion !== undefined) {
    throw invalidRequest(
      "You can't create this secret because a secret with this name is already scheduled for deletion.",
    );
  }
  const version = versionOf(existing, token);
  if (version?.value === undefined) {
    throw alreadyExists(`The operation failed because the secret ${existing.name} already exists.`);
  }
  if (value === undefined || !isSameValue(version.value, value)) throw tokenInUse(token, existing);
  return existing;
}

export function tokenInUse(token: string, secret: Secret): Error {
  return alreadyExists(
    `You can't use ClientRequestToken ${token} because that value is already in use for a version of secret ${secret.arn}.`,
  );
}

function answer(secret: Secret, versionId: string | undefined): Outcome['output'] {
  return present({ ARN: secret.arn, Name: secret.name, VersionId: versionId });
}

const SUFFIX_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** With the hyphen and six characters that the service adds. */
export function arnFor(name: string, { region, accountId, randomBytes }: CallContext): string {
  const suffix = Array.from(randomBytes(6), (byte) => SUFFIX_CHARACTERS.charAt(byte % SUFFIX_CHARACTERS.length));
  return `arn:aws:secretsmanager:${region}:${accountId}:secret:${name}-${suffix.join('')}`;
}
