import { present, seconds } from '../answer.ts';
import { invalidParameter } from '../service-error.ts';
import { findSecret, lookUp, markedForDeletion, withoutSecretOf, withSecret, type Outcome } from '../secrets.ts';
import type { deleteSecret as shape, restoreSecret as restoreShape } from '../shapes.ts';
import { type Read } from '../shapes.ts';
import type { CallContext, Secret, ServiceState } from '../state.ts';
import { arnFor } from './create-secret.ts';
import { withoutMember } from '../without-member.ts';

const DAY = 86_400_000;
const DEFAULT_WINDOW = 30;

type Request = Read<typeof shape>;

/**
 * The recovery window has 7 to 30 days (30 by default). "If you forcibly delete an already deleted or nonexistent
 * secret, the operation does not return ResourceNotFoundException."
 */
export function deleteSecret(state: ServiceState, input: Request, context: CallContext): Outcome {
  const { RecoveryWindowInDays: days, ForceDeleteWithoutRecovery: isForced = false } = input;
  if (days !== undefined && (days < 7 || days > 30)) {
    throw invalidParameter('The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).');
  }
  if (isForced && days !== undefined) {
    throw invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
  }
  if (isForced) return deletedForGood(state, input.SecretId, context);
  const secret = findSecret(state, input.SecretId);
  refuseWithReplicas(secret);
  if (secret.deletion !== undefined) throw markedForDeletion();
  const deletesAt = context.now + (days ?? DEFAULT_WINDOW) * DAY;
  const deletion = { deletedDate: context.now, deletesAt };
  return {
    state: withSecret(state, { ...secret, deletion, lastChangedDate: context.now }),
    output: { ARN: secret.arn, Name: secret.name, DeletionDate: seconds(deletesAt) },
  };
}

/** Recorded: the answer has an ARN even if the secret does not exist. */
function deletedForGood(state: ServiceState, secretId: string, context: CallContext): Outcome {
  const secret = lookUp(state, secretId);
  if (secret !== undefined) refuseWithReplicas(secret);
  const isArn = secretId.startsWith('arn:');
  return {
    state: secret === undefined ? state : withoutSecretOf(state, secret.arn),
    output: present({
      ARN: secret?.arn ?? (isArn ? secretId : arnFor(secretId, context)),
      Name: secret?.name ?? (isArn ? undefined : secretId),
      DeletionDate: seconds(context.now),
    }),
  };
}

/** Recorded. */
function refuseWithReplicas({ arn, replicas }: Secret): void {
  if (replicas === undefined) return;
  const regions = replicas.map(({ region }) => region).join(', ');
  throw invalidParameter(`You can't delete secret ${arn} that still has replica regions [${regions}].`);
}

/** A secret that is not deleted stays as it is. */
export function restoreSecret(state: ServiceState, input: Read<typeof restoreShape>, context: CallContext): Outcome {
  const secret = findSecret(state, input.SecretId);
  const output = { ARN: secret.arn, Name: secret.name };
  if (secret.deletion === undefined) return { state, output };
  const restored = withoutMember(secret, 'deletion');
  return { state: withSecret(state, { ...restored, lastChangedDate: context.now }), output };
}
