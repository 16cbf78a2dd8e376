import { present } from '../answer.ts';
import { checkPolicy, grantsBroadAccess } from '../policy-document.ts';
import { ServiceError } from '../service-error.ts';
import { findLiveSecret, withSecret, type Outcome } from '../secrets.ts';
import type {
  deleteResourcePolicy as deleteShape,
  getResourcePolicy as getShape,
  putResourcePolicy as putShape,
  Read,
  validateResourcePolicy as validateShape,
} from '../shapes.ts';
import type { CallContext, ServiceState } from '../state.ts';
import { withoutMember } from '../without-member.ts';

/** The policy is stored and never enforced: the local service knows no principals. */
export function putResourcePolicy(state: ServiceState, input: Read<typeof putShape>, context: CallContext): Outcome {
  const secret = findLiveSecret(state, input.SecretId);
  const policy = checkPolicy(input.ResourcePolicy);
  if (input.BlockPublicPolicy === true && grantsBroadAccess(policy)) {
    throw new ServiceError(
      'PublicPolicyException',
      'The BlockPublicPolicy parameter is set to true, and the resource policy did not prevent broad access to the secret.',
    );
  }
  const changed = { ...secret, resourcePolicy: input.ResourcePolicy, lastChangedDate: context.now };
  return { state: withSecret(state, changed), output: { ARN: secret.arn, Name: secret.name } };
}

/** Without a policy the member is left out. */
export function getResourcePolicy(state: ServiceState, input: Read<typeof getShape>): Outcome {
  const secret = findLiveSecret(state, input.SecretId);
  return { state, output: present({ ARN: secret.arn, Name: secret.name, ResourcePolicy: secret.resourcePolicy }) };
}

/** Succeeds without a policy, too. */
export function deleteResourcePolicy(
  state: ServiceState,
  input: Read<typeof deleteShape>,
  context: CallContext,
): Outcome {
  const secret = findLiveSecret(state, input.SecretId);
  const output = { ARN: secret.arn, Name: secret.name };
  if (secret.resourcePolicy === undefined) return { state, output };
  const changed = withoutMember(secret, 'resourcePolicy');
  return { state: withSecret(state, { ...changed, lastChangedDate: context.now }), output };
}

/** Reports broad access by a wildcard principal. The words of the real check are on no record. */
export function validateResourcePolicy(state: ServiceState, input: Read<typeof validateShape>): Outcome {
  if (input.SecretId !== undefined) findLiveSecret(state, input.SecretId);
  const policy = checkPolicy(input.ResourcePolicy);
  const errors = grantsBroadAccess(policy)
    ? [{ CheckName: 'BroadAccess', ErrorMessage: 'The resource policy grants broad access to the secret.' }]
    : [];
  return { state, output: { PolicyValidationPassed: errors.length === 0, ValidationErrors: errors } };
}
