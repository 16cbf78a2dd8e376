import type { SecretVersionsListEntry } from '@aws-sdk/client-secrets-manager';
import { refused } from '../../secret/aws-error.ts';
import type { CommandDependencies } from '../aws/operator.ts';

/** Those without labels included. */
export async function listVersions(deps: CommandDependencies): Promise<readonly SecretVersionsListEntry[]> {
  const { secrets, secretId } = deps;
  const versions: SecretVersionsListEntry[] = [];
  let page: string | undefined;
  do {
    const answer = await secrets
      .listSecretVersionIds({
        SecretId: secretId,
        IncludeDeprecated: true,
        ...(page === undefined ? {} : { NextToken: page }),
      })
      .catch((error: unknown) => {
        throw refused('ListSecretVersionIds', secretId, error);
      });
    versions.push(...(answer.Versions ?? []));
    // moto's server ends a list with an empty token, which the API reference does not allow.
    page = answer.NextToken === '' ? undefined : answer.NextToken;
  } while (page !== undefined);
  return versions;
}
