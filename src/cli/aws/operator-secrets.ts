import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { KeyRotationError, reach } from '../../format/error.ts';
import { untrusted } from '../../keyring/source/source-error.ts';
import type { OperatorSecrets } from './operator.ts';

/** Passes on the service's errors. Any other error means that it was not reached: `CANNOT_REACH_AWS`. */
export function operatorSecrets(client: SecretsManagerClient): OperatorSecrets {
  const ask = <T>(answer: Promise<T>) => reach(answer.catch(withAdvice));
  return {
    describeSecret: (input) => ask(client.send(new DescribeSecretCommand(input))),
    getSecretValue: (input) => ask(client.send(new GetSecretValueCommand(input))),
    putSecretValue: (input) => ask(client.send(new PutSecretValueCommand(input))),
    updateSecretVersionStage: (input) => ask(client.send(new UpdateSecretVersionStageCommand(input))),
    listSecretVersionIds: (input) => ask(client.send(new ListSecretVersionIdsCommand(input))),
    listSecrets: (input) => ask(client.send(new ListSecretsCommand(input))),
    rotateSecret: (input) => ask(client.send(new RotateSecretCommand(input))),
    tagResource: (input) => ask(client.send(new TagResourceCommand(input))),
    untagResource: (input) => ask(client.send(new UntagResourceCommand(input))),
    updateSecret: (input) => ask(client.send(new UpdateSecretCommand(input))),
  };
}

/** How to sign in, if the SDK found no credentials, and what to do about a certificate that is not AWS's. */
function withAdvice(error: unknown): never {
  if (!(error instanceof Error && /^(Credentials|Token)ProviderError$/.test(error.name)))
    throw untrusted(error) ?? error;
  // Of an error while it fetched credentials, the SDK keeps only the text.
  const ours = /^KeyRotationError: (Cannot reach AWS: the proxy .*)$/.exec(error.message)?.[1];
  if (ours !== undefined) throw new KeyRotationError('CANNOT_REACH_AWS', ours);
  throw new KeyRotationError('CANNOT_REACH_AWS', `No credentials were found. ${loginAdvice(error)}`);
}

function loginAdvice({ message }: Error): string {
  if (/multi-factor|MFA/i.test(message)) {
    return (
      "The profile needs an MFA code, which this command cannot ask for: get session credentials with 'aws sts " +
      "get-session-token', or use a profile of aws sso."
    );
  }
  if (/SSO|token/i.test(message)) return "The SSO session is missing or has expired: run 'aws sso login'.";
  return "Set AWS_PROFILE or --profile, run 'aws sso login', or set the AWS_ACCESS_KEY_ID variables.";
}
