import { present } from '../answer.ts';
import { valueOf } from '../secret-value.ts';
import { findLiveSecret, requireToken, withSecret, type Outcome } from '../secrets.ts';
import type { updateSecret as shape } from '../shapes.ts';
import { type Read } from '../shapes.ts';
import type { CallContext, Secret, SecretVersion, ServiceState } from '../state.ts';
import { CURRENT, PENDING, PREVIOUS } from '../version-stages.ts';
import { keyOf } from './kms-key.ts';
import { putVersion } from './put-secret-value.ts';
import { withoutMember } from '../without-member.ts';

type Request = Read<typeof shape>;

/** A repeated put does nothing, as older references and the SDKs' retries say; the current reference differs. */
export function updateSecret(state: ServiceState, input: Request, context: CallContext): Outcome {
  const token = requireToken(input.ClientRequestToken);
  const value = valueOf(input);
  const secret = findLiveSecret(state, input.SecretId);
  const detailed = withDetails(secret, input, context);
  const updated = value === undefined ? detailed : putVersion(detailed, { token, value, labels: [CURRENT] }, context);
  return {
    state: updated === secret ? state : withSecret(state, updated),
    output: present({ ARN: secret.arn, Name: secret.name, VersionId: value === undefined ? undefined : token }),
  };
}

function withDetails(secret: Secret, { Description, KmsKeyId }: Request, context: CallContext): Secret {
  if (Description === undefined && KmsKeyId === undefined) return secret;
  const described = Description === undefined ? secret : withDescription(secret, Description);
  const keyed = KmsKeyId === undefined ? described : withKey(described, KmsKeyId);
  return { ...keyed, lastChangedDate: context.now };
}

function withDescription(secret: Secret, description: string): Secret {
  const rest = withoutMember(secret, 'description');
  return description === '' ? rest : { ...rest, description };
}

/**
 * The KMS key "that Secrets Manager uses to encrypt new secret versions as well as any existing versions with the
 * staging labels AWSCURRENT, AWSPENDING, or AWSPREVIOUS".
 */
function withKey(secret: Secret, kmsKeyId: string): Secret {
  const versions = Object.entries(secret.versions).map(([id, version]): [string, SecretVersion] => {
    if (![CURRENT, PENDING, PREVIOUS].some((label) => version.stages.includes(label))) return [id, version];
    return [id, { ...withoutMember(version, 'kmsKeyId'), ...keyOf(kmsKeyId) }];
  });
  return { ...withoutMember(secret, 'kmsKeyId'), ...keyOf(kmsKeyId), versions: Object.fromEntries(versions) };
}
