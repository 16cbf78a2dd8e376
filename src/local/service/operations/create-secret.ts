import { present } from '../answer.ts';
import { alreadyExists, invalidParameter, invalidRequest } from '../service-error.ts';
import { isSameValue, valueOf } from '../secret-value.ts';
import { checkName, lookUp, requireToken, withSecret, type Outcome } from '../secrets.ts';
import type { createSecret as shape } from '../shapes.ts';
import { type Read } from '../shapes.ts';
import type { CallContext, Secret, SecretValue, ServiceState } from '../state.ts';
import { versionOf } from '../version-archive.ts';
import { CURRENT } from '../version-stages.ts';
import { keyOf } from './kms-key.ts';
import { checkedTags } from './tags.ts';

/**
 * CreateSecret. Idempotent by token and value while the secret has the version of that token.
 *
 * Replicas are refused: this service has one region, and to pretend would hide that nothing is copied. `Type` (external
 * secrets of partners) is ignored.
 */
export function createSecret(state: ServiceState, input: Read<typeof shape>, context: CallContext): Outcome {
  checkName(input.Name);
  const token = requireToken(input.ClientRequestToken);
  const value = valueOf(input);
  if (input.AddReplicaRegions !== undefined) {
    throw invalidParameter('The local Secrets Manager has one region and does not replicate secrets.');
  }
  const tags = checkedTags(input.Tags ?? []);
  const existing = lookUp(state, input.Name);
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
  return { state: withSecret(state, secret), output: answer(secret, value === undefined ? undefined : token) };
}

/** The secret that exists, if this request is a repetition of the one that made it. Both refusals are recorded. */
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

/** An ARN for a secret of this name, with the six characters that the service adds. */
export function arnFor(name: string, { region, accountId, randomBytes }: CallContext): string {
  const suffix = Array.from(randomBytes(6), (byte) => SUFFIX_CHARACTERS.charAt(byte % SUFFIX_CHARACTERS.length));
  return `arn:aws:secretsmanager:${region}:${accountId}:secret:${name}-${suffix.join('')}`;
}
