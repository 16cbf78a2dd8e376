import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager';
import type { CommandDependencies } from '../../../src/cli/aws/operator.ts';
import { SECRET, type TestRing } from '../../support/ring.ts';
import { operatorOf } from './operator.ts';

/** What AWS shows of the secret now. */
export async function describeSecret({ deps }: TestRing): Promise<DescribeSecretResponse> {
  return deps.secrets.describeSecret({ SecretId: SECRET });
}

/** An operator whose n-th description, by default the first, is an older one. */
export function firstSeeing(ring: TestRing, older: DescribeSecretResponse, nth = 1): CommandDependencies {
  let looks = 0;
  return operatorOf(ring, (secrets) => ({
    ...secrets,
    describeSecret: (input) => ((looks += 1) === nth ? Promise.resolve(older) : secrets.describeSecret(input)),
  })).deps;
}
