import { perform, type OperationName } from '../../../src/local/service/perform.ts';
import { ServiceError } from '../../../src/local/service/service-error.ts';
import type { CallContext, ServiceState } from '../../../src/local/service/state.ts';
import type { Call, Output, Reply } from './program.ts';

const OPERATION = {
  describeSecret: 'DescribeSecret',
  getSecretValue: 'GetSecretValue',
  putSecretValue: 'PutSecretValue',
  updateSecretVersionStage: 'UpdateSecretVersionStage',
  listSecretVersionIds: 'ListSecretVersionIds',
  listSecrets: 'ListSecrets',
  rotateSecret: 'RotateSecret',
  tagResource: 'TagResource',
  untagResource: 'UntagResource',
  updateSecret: 'UpdateSecret',
} as const satisfies Readonly<Record<Call['operation'], OperationName>>;

/** A state and what the service answered on the way to it. */
export interface Answered {
  readonly service: ServiceState;
  readonly reply: Reply;
}

/** One call of a program on the local service's state machine. */
export function callService(service: ServiceState, { operation, input }: Call, context: CallContext): Answered {
  return performOn(service, OPERATION[operation], input, context);
}

/** One call of anybody. */
export function performOn(
  service: ServiceState,
  operation: OperationName,
  input: unknown,
  context: CallContext,
): Answered {
  try {
    const { state, output } = perform(service, operation, input, context);
    return { service: state, reply: { output: canonical(output) } };
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    return { service, reply: { error: { name: error.type, message: error.message } } };
  }
}

/**
 * Keeps of an answer what a program decides by, in one order: neither the versions of a secret nor its tags have one. Of
 * all dates only `LastChangedDate` decides anything, the age check of `retire`.
 */
export function canonical(output: Output): Output {
  const { RotationEnabled, RotationLambdaARN, DeletedDate, SecretString, VersionStages, VersionId } = output;
  const { VersionIdsToStages, Tags, Versions, LastChangedDate, KmsKeyId } = output;
  return {
    ...{ RotationEnabled, RotationLambdaARN, DeletedDate, SecretString, VersionStages, VersionId, KmsKeyId },
    VersionIdsToStages: isObject(VersionIdsToStages) ? sortedMembers(VersionIdsToStages) : undefined,
    Tags: Array.isArray(Tags) ? sortedBy('Key', Tags) : undefined,
    Versions: Array.isArray(Versions)
      ? sortedBy('VersionId', Versions).map(({ VersionId: id, KmsKeyIds }) => ({ VersionId: id, KmsKeyIds }))
      : undefined,
    // The state machine answers in seconds, as AWS JSON does; the SDK makes a date of it.
    LastChangedDate: typeof LastChangedDate === 'number' ? new Date(LastChangedDate * 1000) : LastChangedDate,
  };
}

function sortedMembers(object: object): object {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function sortedBy(member: string, list: readonly unknown[]): readonly Output[] {
  return list.filter(isObject).sort((a, b) => (String(a[member]) < String(b[member]) ? -1 : 1));
}

function isObject(value: unknown): value is Output {
  return typeof value === 'object' && value !== null;
}
