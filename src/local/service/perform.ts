import { batchGetSecretValue } from './operations/batch-get-secret-value.ts';
import { createSecret } from './operations/create-secret.ts';
import { deleteSecret, restoreSecret } from './operations/delete-secret.ts';
import { describeSecret } from './operations/describe-secret.ts';
import { getRandomPassword } from './operations/get-random-password.ts';
import { getSecretValue } from './operations/get-secret-value.ts';
import { listSecretVersionIds } from './operations/list-secret-version-ids.ts';
import { listSecrets } from './operations/list-secrets.ts';
import { putSecretValue } from './operations/put-secret-value.ts';
import {
  deleteResourcePolicy,
  getResourcePolicy,
  putResourcePolicy,
  validateResourcePolicy,
} from './operations/resource-policy.ts';
import {
  notOnReplica,
  removeRegionsFromReplication,
  replicateSecretToRegions,
  stopReplicationToReplica,
} from './operations/replication.ts';
import { viewOf, withView } from './regions.ts';
import { cancelRotateSecret, rotateSecret } from './operations/rotate-secret.ts';
import { tagResource, untagResource } from './operations/tags.ts';
import { updateSecret } from './operations/update-secret.ts';
import { updateSecretVersionStage } from './operations/update-secret-version-stage.ts';
import { lookUp, type Outcome } from './secrets.ts';
import * as shapes from './shapes.ts';
import type { CallContext, ServiceState } from './state.ts';
import { readInput, type Shape } from './validation.ts';

type Operation = (state: ServiceState, input: unknown, context: CallContext) => Outcome;

const OPERATIONS = {
  BatchGetSecretValue: reads(shapes.batchGetSecretValue, batchGetSecretValue),
  CancelRotateSecret: writes(shapes.cancelRotateSecret, cancelRotateSecret),
  CreateSecret: inAllRegions(shapes.createSecret, createSecret),
  DeleteResourcePolicy: writes(shapes.deleteResourcePolicy, deleteResourcePolicy),
  DeleteSecret: writes(shapes.deleteSecret, deleteSecret),
  DescribeSecret: reads(shapes.describeSecret, describeSecret),
  GetRandomPassword: reads(shapes.getRandomPassword, getRandomPassword),
  GetResourcePolicy: reads(shapes.getResourcePolicy, getResourcePolicy),
  GetSecretValue: reads(shapes.getSecretValue, getSecretValue),
  ListSecretVersionIds: reads(shapes.listSecretVersionIds, listSecretVersionIds),
  ListSecrets: reads(shapes.listSecrets, listSecrets),
  PutResourcePolicy: writes(shapes.putResourcePolicy, putResourcePolicy),
  PutSecretValue: writes(shapes.putSecretValue, putSecretValue),
  RemoveRegionsFromReplication: inAllRegions(shapes.removeRegionsFromReplication, removeRegionsFromReplication),
  ReplicateSecretToRegions: inAllRegions(shapes.replicateSecretToRegions, replicateSecretToRegions),
  RestoreSecret: writes(shapes.restoreSecret, restoreSecret),
  RotateSecret: writes(shapes.rotateSecret, rotateSecret),
  StopReplicationToReplica: inAllRegions(shapes.stopReplicationToReplica, stopReplicationToReplica),
  TagResource: writes(shapes.tagResource, tagResource),
  UntagResource: writes(shapes.untagResource, untagResource),
  UpdateSecret: writes(shapes.updateSecret, updateSecret),
  UpdateSecretVersionStage: writes(shapes.updateSecretVersionStage, updateSecretVersionStage),
  ValidateResourcePolicy: reads(shapes.validateResourcePolicy, validateResourcePolicy),
} satisfies Readonly<Record<string, Operation>>;

export type OperationName = keyof typeof OPERATIONS;

/**
 * One API call on the state machine: no clock, no network, no memory. `input` and the answer are JSON bodies, with
 * dates in seconds. The given state is never changed; the next one is the same object if nothing changed. Throws
 * `ServiceError` where the service refuses the call.
 */
export function perform(state: ServiceState, name: OperationName, input: unknown, context: CallContext): Outcome {
  return OPERATIONS[name](state, input, context);
}

export function isOperationName(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name);
}

type Run<T> = (state: ServiceState, input: T, context: CallContext) => Outcome;

/** In the region of the call, with its replicas. */
function reads<T>(shape: Shape<T>, run: Run<T>): Operation {
  return (state, input, context) => inRegion(state, context, (view) => run(view, readInput(shape, input), context));
}

/** In the region of the call. A replica cannot be changed. */
function writes<T extends { readonly SecretId: string }>(shape: Shape<T>, run: Run<T>): Operation {
  return (state, input, context) =>
    inRegion(state, context, (view) => {
      const read = readInput(shape, input);
      if (lookUp(view, read.SecretId)?.primaryRegion !== undefined) throw notOnReplica();
      return run(view, read, context);
    });
}

function inRegion(state: ServiceState, { region }: CallContext, run: (view: ServiceState) => Outcome): Outcome {
  const outcome = run(viewOf(state, region));
  return { ...outcome, state: withView(state, region, outcome.state) };
}

function inAllRegions<T>(shape: Shape<T>, run: Run<T>): Operation {
  return (state, input, context) => run(state, readInput(shape, input), context);
}
