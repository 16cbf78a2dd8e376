import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateSecretVersionStageCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { KeyRotationError } from '../../format/error.ts';
import type { OperatorSecrets } from './operator.ts';

/**
 * An operator's calls over the AWS SDK. Errors of the service come through as they are; anything else means that it was
 * not reached: `CANNOT_REACH_AWS`.
 */
export function operatorSecrets(client: SecretsManagerClient): OperatorSecrets {
  return {
    describeSecret: (input) => reach(client.send(new DescribeSecretCommand(input))),
    getSecretValue: (input) => reach(client.send(new GetSecretValueCommand(input))),
    putSecretValue: (input) => reach(client.send(new PutSecretValueCommand(input))),
    updateSecretVersionStage: (input) => reach(client.send(new UpdateSecretVersionStageCommand(input))),
    listSecretVersionIds: (input) => reach(client.send(new ListSecretVersionIdsCommand(input))),
    listSecrets: (input) => reach(client.send(new ListSecretsCommand(input))),
    rotateSecret: (input) => reach(client.send(new RotateSecretCommand(input))),
    tagResource: (input) => reach(client.send(new TagResourceCommand(input))),
    untagResource: (input) => reach(client.send(new UntagResourceCommand(input))),
  };
}

async function reach<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    // The SDK marks what the service itself answered with `$fault`.
    if (error instanceof Error && '$fault' in error) throw error;
    // Only the name and what the system calls it: a parser's error quotes the answer that it could not read.
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? `: ${error.code}` : '';
    const name = error instanceof Error ? error.name : 'unknown error';
    if (/^(Credentials|Token)ProviderError$/.test(name)) {
      throw new KeyRotationError('CANNOT_REACH_AWS', `No credentials were found. ${loginAdvice(error)}`);
    }
    throw new KeyRotationError('CANNOT_REACH_AWS', `Cannot reach AWS Secrets Manager (${name}${code}). ${ADVICE}`);
  }
}

const ADVICE =
  'Check the region, the endpoint URL, and whether this machine reaches it over HTTPS (443): proxy, VPC endpoint, NAT, security group.';

function loginAdvice(error: unknown): string {
  const text = error instanceof Error ? error.message : '';
  if (/multi-factor|MFA/i.test(text)) {
    return "The profile asks for an MFA code, which this command cannot: get session credentials with 'aws sts get-session-token', or use a profile of aws sso.";
  }
  if (/SSO|token/i.test(text)) return "The SSO session is missing or has expired: run 'aws sso login'.";
  return "Set AWS_PROFILE or --profile, run 'aws sso login', or set the AWS_ACCESS_KEY_ID variables.";
}

/**
 * How long a command waits for AWS, in milliseconds: to be connected, and for an answer. Without these the SDK waits
 * for ever for an endpoint that takes the connection and never answers; without the last of them it only writes a
 * warning of its own to the console.
 */
export const REQUEST_LIMITS = { connectionTimeout: 3000, requestTimeout: 10_000, throwOnRequestTimeout: true } as const;
