import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { given, type Environment } from '../process-io.ts';
import { operatorSecrets } from './operator-secrets.ts';
import { isKeyRotationError, KeyRotationError } from '../../format/error.ts';
import { awsErrorName, describeError, refusalKind } from '../../secret/aws-error.ts';

export interface Place {
  readonly secretId: string;
  /** The region that was called. */
  readonly region: string;
  /** Of the credentials, if they say. */
  readonly account: string | undefined;
  /** From variables or the command's options. */
  readonly otherRegions: readonly string[];
  readonly isIn: (region: string) => Promise<boolean>;
}

const SECRET_ARN = /^arn:[^:]*:secretsmanager:([^:]+):(\d{12}):secret:/;

/** "User: arn:aws:sts::111122223333:assumed-role/Operator/me is not authorized to perform: …". */
const CALLER = /\bUser: arn:[^:]*:(?:sts|iam)::(\d{12}):/;

export function mayBeElsewhere(error: unknown): boolean {
  return !isKeyRotationError(error) && (isMissing(error) || refusalKind(error) === 'denied');
}

export async function placeAsked(
  client: SecretsManagerClient,
  clientIn: (region: string) => SecretsManagerClient,
  secretId: string,
  environment: Environment,
): Promise<Place> {
  const region = await client.config.region();
  const { accountId } = await client.config.credentials();
  const named = ['AWS_REGION', 'AWS_DEFAULT_REGION'].flatMap((name) => given(environment, name) ?? []);
  return {
    secretId,
    region,
    account: accountId,
    otherRegions: [...new Set(named)].filter((name) => name !== region),
    isIn: async (other) => {
      const elsewhere = clientIn(other);
      const answer = operatorSecrets(elsewhere).describeSecret({ SecretId: secretId });
      // A VPC endpoint answers for its own region, whichever was asked for.
      const isThere = await answer.then(({ ARN }) => ARN?.split(':')[3] === other).catch(() => false);
      elsewhere.destroy();
      return isThere;
    },
  };
}

/**
 * Says in which region or account the secret is, as far as known, and which option leads there. Returns `error` itself
 * for a refusal of another kind.
 */
export async function wrongPlace(error: unknown, place: Place): Promise<unknown> {
  const { secretId, region } = place;
  const [, regionOfSecret, accountOfSecret] = SECRET_ARN.exec(secretId) ?? [];
  const caller = CALLER.exec(describeError(error))?.[1] ?? place.account;
  const code = isMissing(error) ? 'SECRET_NOT_FOUND' : 'AWS_REFUSED';
  const refusal = (message: string) => new KeyRotationError(code, message, { cause: error });
  if (regionOfSecret !== undefined && regionOfSecret !== region) {
    return refusal(
      `The secret is in ${regionOfSecret}, as its ARN says, and the call went to ${region}: pass --region ${regionOfSecret}.`,
    );
  }
  if (accountOfSecret !== undefined && caller !== undefined && accountOfSecret !== caller) {
    return refusal(
      `The secret is in account ${accountOfSecret}, as its ARN says, and the credentials are of account ${caller}: ` +
        `use a profile of account ${accountOfSecret} (--profile, AWS_PROFILE).`,
    );
  }
  if (!isMissing(error)) return error;
  for (const other of place.otherRegions) {
    if (!(await place.isIn(other))) continue;
    return refusal(`The secret '${secretId}' is in ${other}, and not in ${region}: pass --region ${other}.`);
  }
  const where = `${region}${caller === undefined ? '' : `, account ${caller}`}`;
  return refusal(
    `Secrets Manager has no secret '${secretId}' in ${where}. Check its name; if it is elsewhere, pass --region, or a ` +
      '--profile of its account (aws sts get-caller-identity shows the account in use).',
  );
}

function isMissing(error: unknown): boolean {
  return awsErrorName(error) === 'ResourceNotFoundException';
}
