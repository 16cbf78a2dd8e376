import type {
  DescribeSecretResponse,
  GetSecretValueResponse,
  PutSecretValueRequest,
  Tag,
  UpdateSecretVersionStageRequest,
} from '@aws-sdk/client-secrets-manager';
import { hasAwsLabel } from '../../format/ring-labels.ts';
import { holderOf } from '../ring/labels.ts';
import type { OperatorSecrets } from './operator.ts';

type Stages = Readonly<Record<string, readonly string[]>>;

/** Remembers writes, and `DescribeSecret` shows them: a dry run meets the command's own refusals. */
export function rehearsal(secrets: OperatorSecrets): OperatorSecrets {
  let stages: Stages | undefined;
  let tags: readonly Tag[] | undefined;
  let kmsKeyId: string | undefined;
  const values = new Map<string, GetSecretValueResponse>();

  const described = async (SecretId: string | undefined): Promise<DescribeSecretResponse> => {
    const real = await secrets.describeSecret({ SecretId });
    return {
      ...real,
      ...(stages === undefined ? {} : { VersionIdsToStages: mutable(stages) }),
      ...(tags === undefined ? {} : { Tags: [...tags] }),
      ...(kmsKeyId === undefined ? {} : { KmsKeyId: kmsKeyId }),
    };
  };
  const current = async (SecretId: string | undefined): Promise<Stages> =>
    (await described(SecretId)).VersionIdsToStages ?? {};

  return {
    ...secrets,
    describeSecret: ({ SecretId }) => described(SecretId),
    getSecretValue: (input) => {
      const rehearsed = values.get(input.VersionId ?? '');
      return rehearsed === undefined ? secrets.getSecretValue(input) : Promise.resolve(rehearsed);
    },
    putSecretValue: async (input) => {
      const id = input.ClientRequestToken ?? '';
      stages = withPut(await current(input.SecretId), id, input);
      const { SecretString, SecretBinary } = input;
      values.set(id, SecretString === undefined ? { SecretBinary } : { SecretString });
      return { VersionId: id, VersionStages: [...(stages[id] ?? [])] };
    },
    updateSecretVersionStage: async (input) => {
      stages = withMove(await current(input.SecretId), input);
      return {};
    },
    updateSecret: (input) => {
      kmsKeyId = input.KmsKeyId ?? kmsKeyId;
      return Promise.resolve({});
    },
    listSecretVersionIds: async (input) => {
      const answer = await secrets.listSecretVersionIds(input);
      const { KmsKeyId } = await described(input.SecretId);
      const KmsKeyIds = KmsKeyId === undefined ? [] : [KmsKeyId];
      const rehearsed = input.NextToken === undefined ? [...values.keys()] : [];
      return {
        ...answer,
        Versions: [
          ...(answer.Versions ?? []).map((one) =>
            kmsKeyId !== undefined && hasAwsLabel(one.VersionStages) ? { ...one, KmsKeyIds } : one,
          ),
          ...rehearsed.map((VersionId) => ({ VersionId, KmsKeyIds })),
        ],
      };
    },
    rotateSecret: async ({ SecretId, ClientRequestToken: id = '' }) => {
      stages = withPut(await current(SecretId), id, { SecretId, VersionStages: ['AWSPENDING'] });
      return { VersionId: id };
    },
    tagResource: async ({ SecretId, Tags = [] }) => {
      const before = (await described(SecretId)).Tags ?? [];
      tags = [...before.filter(({ Key }) => !Tags.some((tag) => tag.Key === Key)), ...Tags];
    },
    untagResource: async ({ SecretId, TagKeys = [] }) => {
      const before = (await described(SecretId)).Tags ?? [];
      tags = before.filter(({ Key }) => !TagKeys.includes(Key ?? ''));
    },
  };
}

/** The first value of a secret becomes `AWSCURRENT`, whatever its labels. */
function withPut(stages: Stages, id: string, { VersionStages: given = ['AWSCURRENT'] }: PutSecretValueRequest): Stages {
  const labels = holderOf(stages, 'AWSCURRENT') === undefined ? [...given, 'AWSCURRENT'] : given;
  const labelled = labels.reduce<Stages>((so, label) => moved(so, label, id), { [id]: [], ...stages });
  return labels.includes('AWSCURRENT') ? detached(labelled, 'AWSPENDING') : labelled;
}

/** Refuses as the service does, because compare-and-swap relies on it. */
function withMove(stages: Stages, input: UpdateSecretVersionStageRequest): Stages {
  const { VersionStage: label = '', MoveToVersionId: to, RemoveFromVersionId: from } = input;
  const holder = holderOf(stages, label);
  if (holder !== undefined && holder !== to && holder !== from) {
    throw Object.assign(new Error(`Staging label ${label} is currently attached to version ${holder}`), {
      name: 'InvalidParameterException',
    });
  }
  return to === undefined ? detached(stages, label) : moved(stages, label, to);
}

/** `AWSCURRENT` moves `AWSPREVIOUS`, too. */
function moved(stages: Stages, label: string, to: string): Stages {
  const from = holderOf(stages, label);
  if (from === to) return stages;
  const attached = attach(detached(stages, label), label, to);
  if (label !== 'AWSCURRENT' || from === undefined) return attached;
  return attach(detached(attached, 'AWSPREVIOUS'), 'AWSPREVIOUS', from);
}

function attach(stages: Stages, label: string, id: string): Stages {
  return { ...stages, [id]: [...(stages[id] ?? []), label] };
}

function detached(stages: Stages, label: string): Stages {
  return Object.fromEntries(Object.entries(stages).map(([id, labels]) => [id, labels.filter((has) => has !== label)]));
}

function mutable(stages: Stages): Record<string, string[]> {
  const labelled = Object.entries(stages).filter(([, labels]) => labels.length > 0);
  return Object.fromEntries(labelled.map(([id, labels]) => [id, [...labels]]));
}
