import { present, seconds, unlessEmpty } from '../answer.ts';
import { pageOf } from '../page.ts';
import { findSecret, type Outcome } from '../secrets.ts';
import type { listSecretVersionIds as shape } from '../shapes.ts';
import { type Read } from '../shapes.ts';
import type { ServiceState } from '../state.ts';
import { allVersions } from '../version-archive.ts';
import { listedStages } from '../version-stages.ts';
import { keyIdsOf } from './kms-key.ts';

const PAGE = 100;

/** In the order of creation. Versions without labels only with `IncludeDeprecated`. */
export function listSecretVersionIds(state: ServiceState, input: Read<typeof shape>): Outcome {
  const secret = findSecret(state, input.SecretId);
  const listed = allVersions(secret).filter(
    ([, version]) => input.IncludeDeprecated === true || version.stages.length > 0,
  );
  const page = pageOf(listed, input.MaxResults ?? PAGE, input.NextToken);
  const versions = page.elements.map(([id, version]) =>
    present({
      VersionId: id,
      VersionStages: unlessEmpty(listedStages(version)),
      LastAccessedDate: version.lastAccessedDate === undefined ? undefined : seconds(version.lastAccessedDate),
      CreatedDate: seconds(version.createdDate),
      KmsKeyIds: keyIdsOf(version.kmsKeyId),
    }),
  );
  return {
    state,
    output: present({ Versions: versions, NextToken: page.nextToken, ARN: secret.arn, Name: secret.name }),
  };
}
