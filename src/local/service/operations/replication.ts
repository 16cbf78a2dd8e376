import { present, seconds } from '../answer.ts';
import { regionOf, viewOf } from '../regions.ts';
import { findLiveSecret, lookUp, withoutSecretOf, withSecret, type Outcome } from '../secrets.ts';
import { invalidParameter } from '../service-error.ts';
import type {
  Read,
  removeRegionsFromReplication as removeShape,
  replicateSecretToRegions as replicateShape,
  ReplicaRegionInput,
  stopReplicationToReplica as stopShape,
} from '../shapes.ts';
import type { CallContext, Replica, Secret, ServiceState } from '../state.ts';
import { withoutMember } from '../without-member.ts';
import { keyOf } from './kms-key.ts';

/** Recorded of PutResourcePolicy, UpdateSecret and DeleteSecret. */
export function notOnReplica(): Error {
  return invalidParameter("Operation not permitted on a replica secret. Call must be made in primary secret's region.");
}

/** Recorded: the answer says `InProgress`, a later description `InSync`, or `Failed` where the name is taken. */
export function replicateSecretToRegions(
  state: ServiceState,
  input: Read<typeof replicateShape>,
  context: CallContext,
): Outcome {
  const secret = findPrimary(state, input.SecretId, context);
  const replicated = replicate(state, secret, input.AddReplicaRegions, input.ForceOverwriteReplicaSecret === true);
  const asked = new Set(input.AddReplicaRegions.map(({ Region }) => Region));
  const statuses = (replicated.secrets[secret.arn]?.replicas ?? []).map((replica) =>
    asked.has(replica.region) && replica.status === 'InSync'
      ? { ...statusOf(replica), Status: 'InProgress' }
      : statusOf(replica),
  );
  return { state: replicated, output: { ARN: secret.arn, ReplicationStatus: statuses } };
}

/** The replicas are gone at once. (The real service deletes them some time later.) */
export function removeRegionsFromReplication(
  state: ServiceState,
  input: Read<typeof removeShape>,
  context: CallContext,
): Outcome {
  const secret = findPrimary(state, input.SecretId, context);
  const unknown = input.RemoveReplicaRegions.find((region) => replicaIn(secret, region) === undefined);
  if (unknown !== undefined) {
    throw invalidParameter(`The secret has no replica in ${unknown}. (The words of the service are on no record.)`);
  }
  const kept = (secret.replicas ?? []).filter(({ region }) => !input.RemoveReplicaRegions.includes(region));
  return {
    state: withSecret(state, { ...withReplicas(secret, kept), lastChangedDate: context.now }),
    output: { ARN: secret.arn, ReplicationStatus: kept.map(statusOf) },
  };
}

/** Called in the replica's region: it becomes a secret of its own, with a copy of all values. */
export function stopReplicationToReplica(
  state: ServiceState,
  input: Read<typeof stopShape>,
  context: CallContext,
): Outcome {
  const { primaryRegion, ...replica } = findLiveSecret(viewOf(state, context.region), input.SecretId);
  const primary = Object.values(state.secrets).find(
    ({ name, arn }) => name === replica.name && regionOf(arn) === primaryRegion,
  );
  if (primary === undefined) {
    throw invalidParameter('The secret is not a replica. (The words of the service are on no record.)');
  }
  const kept = (primary.replicas ?? []).filter(({ region }) => region !== context.region);
  const without = withSecret(state, withReplicas(primary, kept));
  return {
    state: withSecret(without, { ...replica, lastChangedDate: context.now }),
    output: { ARN: replica.arn },
  };
}

export function replicate(
  state: ServiceState,
  secret: Secret,
  regions: readonly ReplicaRegionInput[],
  overwrites: boolean,
): ServiceState {
  let next = state;
  let replicas = secret.replicas ?? [];
  for (const { Region: region, KmsKeyId } of regions) {
    if (region === undefined || region === regionOf(secret.arn)) throw invalidParameter('Invalid replica region.');
    const taken = lookUp(viewOf(next, region), secret.name);
    const isOurs = taken !== undefined && replicaIn(secret, region)?.status === 'InSync';
    const isOverwritten = !isOurs && overwrites && taken?.primaryRegion === undefined;
    if (taken !== undefined && isOverwritten) next = withoutSecretOf(next, taken.arn);
    const statusMessage = `Replication failed: Secret name ${secret.name} already exists in region ${region}.`;
    const added: Replica = {
      region,
      ...keyOf(KmsKeyId),
      ...(taken === undefined || isOurs || isOverwritten ? { status: 'InSync' } : { status: 'Failed', statusMessage }),
    };
    replicas = [...replicas.filter((one) => one.region !== region), added];
  }
  return withSecret(next, { ...secret, replicas });
}

export function statusOf({ region, kmsKeyId, status, statusMessage, lastAccessedDate }: Replica): Outcome['output'] {
  return present({
    Region: region,
    KmsKeyId: kmsKeyId ?? 'alias/aws/secretsmanager',
    Status: status,
    StatusMessage: statusMessage,
    LastAccessedDate: lastAccessedDate === undefined ? undefined : seconds(lastAccessedDate),
  });
}

function findPrimary(state: ServiceState, secretId: string, { region }: CallContext): Secret {
  const secret = findLiveSecret(viewOf(state, region), secretId);
  if (secret.primaryRegion !== undefined) throw notOnReplica();
  return secret;
}

function replicaIn({ replicas }: Secret, region: string): Replica | undefined {
  return replicas?.find((one) => one.region === region);
}

function withReplicas(secret: Secret, replicas: readonly Replica[]): Secret {
  return replicas.length === 0 ? withoutMember(secret, 'replicas') : { ...secret, replicas };
}
