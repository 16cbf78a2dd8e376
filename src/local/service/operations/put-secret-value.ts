import { invalidRequest } from '../service-error.ts';
import { isSameValue, valueOf } from '../secret-value.ts';
import { findLiveSecret, requireToken, withRoom, withSecret, withVersions, type Outcome } from '../secrets.ts';
import type { putSecretValue as shape } from '../shapes.ts';
import { type Read } from '../shapes.ts';
import { scheduled } from '../rotation-state.ts';
import type { CallContext, Secret, SecretValue, ServiceState } from '../state.ts';
import { outsideArchive, versionOf } from '../version-archive.ts';
import { CURRENT, PENDING, hasLabel, holderOf, labelNewValue, listedStages } from '../version-stages.ts';
import { tokenInUse } from './create-secret.ts';
import { keyOf } from './kms-key.ts';

/** `RotationToken` is not checked: only a rotation across accounts or roles needs it. */
export function putSecretValue(state: ServiceState, input: Read<typeof shape>, context: CallContext): Outcome {
  const token = requireToken(input.ClientRequestToken);
  const value = valueOf(input);
  if (value === undefined) throw invalidRequest('You must provide either SecretString or SecretBinary.');
  const secret = findLiveSecret(state, input.SecretId);
  const put = putVersion(secret, { token, value, labels: input.VersionStages ?? [CURRENT] }, context);
  const version = versionOf(put, token);
  return {
    state: put === secret ? state : withSecret(state, put),
    output: {
      ARN: secret.arn,
      Name: secret.name,
      VersionId: token,
      VersionStages: version === undefined ? [] : listedStages(version),
    },
  };
}

export interface NewVersion {
  readonly token: string;
  readonly value: SecretValue;
  readonly labels: readonly string[];
}

/**
 * "If you call this operation with a ClientRequestToken that matches an existing version's VersionId, and you specify
 * the same secret data, the operation succeeds but does nothing." A placeholder takes its first value. Throws
 * `ResourceExistsException` if the version has another value, and `LimitExceededException`.
 */
export function putVersion(secret: Secret, { token, value, labels }: NewVersion, context: CallContext): Secret {
  const existing = versionOf(secret, token);
  if (existing?.value !== undefined) {
    if (!isSameValue(existing.value, value)) throw tokenInUse(token, secret);
    return secret;
  }
  const version = { stages: [], createdDate: context.now, ...existing, value, ...keyOf(secret.kmsKeyId) };
  const before = existing === undefined ? withRoom(secret, context) : outsideArchive(secret, token);
  const added = { ...before.versions, [token]: version };
  const versions = labelNewValue(added, token, withCurrent(secret, labels, context));
  const put = withVersions(before, versions, context);
  return hasLabel(secret.versions, token, CURRENT) || !hasLabel(put.versions, token, CURRENT)
    ? put
    : countedAsRotation(put, context);
}

/**
 * "If this operation creates the first version for the secret, then Secrets Manager automatically attaches the staging
 * label AWSCURRENT to it"; reported otherwise for a first value put as `AWSPENDING` by a rotation.
 */
function withCurrent(secret: Secret, labels: readonly string[], context: CallContext): readonly string[] {
  const isFirst = holderOf(secret.versions, CURRENT) === undefined;
  const staysPending = labels.includes(PENDING) && context.behaviour.firstPendingValue === 'stays-pending';
  const becomesCurrent = isFirst && !staysPending;
  return becomesCurrent && !labels.includes(CURRENT) ? [...labels, CURRENT] : labels;
}

/** "Manually updating the secret value by calling PutSecretValue or UpdateSecret is considered a valid rotation." */
function countedAsRotation(secret: Secret, context: CallContext): Secret {
  const { rotation } = secret;
  // That sentence is about AutomaticallyAfterDays. A rate() in days means the same; the dates of a cron() are fixed.
  if (rotation === undefined || rotation.rules.ScheduleExpression?.startsWith('cron') === true) return secret;
  return { ...secret, rotation: scheduled(rotation, context.now, context.now) };
}
