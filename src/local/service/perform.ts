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
import { cancelRotateSecret, rotateSecret } from './operations/rotate-secret.ts';
import { tagResource, untagResource } from './operations/tags.ts';
import { updateSecret } from './operations/update-secret.ts';
import { updateSecretVersionStage } from './operations/update-secret-version-stage.ts';
import type { Outcome } from './secrets.ts';
import * as shapes from './shapes.ts';
import type { CallContext, ServiceState } from './state.ts';
import { readInput, type Shape } from './validation.ts';

type Operation = (state: ServiceState, input: unknown, context: CallContext) => Outcome;

const OPERATIONS = {
  BatchGetSecretValue: operation(shapes.batchGetSecretValue, batchGetSecretValue),
  CancelRotateSecret: operation(shapes.cancelRotateSecret, cancelRotateSecret),
  CreateSecret: operation(shapes.createSecret, createSecret),
  DeleteResourcePolicy: operation(shapes.deleteResourcePolicy, deleteResourcePolicy),
  DeleteSecret: operation(shapes.deleteSecret, deleteSecret),
  DescribeSecret: operation(shapes.describeSecret, describeSecret),
  GetRandomPassword: operation(shapes.getRandomPassword, getRandomPassword),
  GetResourcePolicy: operation(shapes.getResourcePolicy, getResourcePolicy),
  GetSecretValue: operation(shapes.getSecretValue, getSecretValue),
  ListSecretVersionIds: operation(shapes.listSecretVersionIds, listSecretVersionIds),
  ListSecrets: operation(shapes.listSecrets, listSecrets),
  PutResourcePolicy: operation(shapes.putResourcePolicy, putResourcePolicy),
  PutSecretValue: operation(shapes.putSecretValue, putSecretValue),
  RestoreSecret: operation(shapes.restoreSecret, restoreSecret),
  RotateSecret: operation(shapes.rotateSecret, rotateSecret),
  TagResource: operation(shapes.tagResource, tagResource),
  UntagResource: operation(shapes.untagResource, untagResource),
  UpdateSecret: operation(shapes.updateSecret, updateSecret),
  UpdateSecretVersionStage: operation(shapes.updateSecretVersionStage, updateSecretVersionStage),
  ValidateResourcePolicy: operation(shapes.validateResourcePolicy, validateResourcePolicy),
} satisfies Readonly<Record<string, Operation>>;

export type OperationName = keyof typeof OPERATIONS;

/**
 * One API call on the state machine: no clock, no network, nothing remembered between calls.
 *
 * @param input the request's JSON body.
 * @returns the next state, the same object if nothing changed, and the answer's JSON body, dates in seconds.
 * @throws {ServiceError} as the service refuses the call. The state given is never changed.
 */
export function perform(state: ServiceState, name: OperationName, input: unknown, context: CallContext): Outcome {
  return OPERATIONS[name](state, input, context);
}

export function isOperationName(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name);
}

function operation<T>(
  shape: Shape<T>,
  run: (state: ServiceState, input: T, context: CallContext) => Outcome,
): Operation {
  return (state, input, context) => run(state, readInput(shape, input), context);
}
