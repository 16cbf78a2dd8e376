import type { FaultTarget } from './faults.ts';
import { stringMember, type JsonObject } from './json.ts';
import type { OperationName } from './service/perform.ts';
import { lookUp } from './service/secrets.ts';
import type { Secret, ServiceState } from './service/state.ts';
import { CURRENT, holderOf } from './service/version-stages.ts';

/** The secret that a request means, as the caller spelt it. */
export function secretIdIn(request: JsonObject): string | undefined {
  return stringMember(request, 'SecretId') ?? stringMember(request, 'Name');
}

/** The version that a request names, or the token of the version that it makes. */
export function versionIdIn(request: JsonObject): string | undefined {
  return stringMember(request, 'VersionId') ?? stringMember(request, 'ClientRequestToken');
}

/** The secret with this name or ARN, if there is one. */
export function secretNamed(state: ServiceState, secretId: string | undefined): Secret | undefined {
  try {
    return secretId === undefined ? undefined : lookUp(state, secretId);
  } catch {
    // The text cannot be a name: the operation itself refuses it.
    return undefined;
  }
}

/** The call as the faults see it, with every name of its secret and the version that it reads or makes. */
export function faultTarget(state: ServiceState, operation: OperationName, request: JsonObject): FaultTarget {
  const secretId = secretIdIn(request);
  const secret = secretNamed(state, secretId);
  const stage = stringMember(request, 'VersionStage') ?? CURRENT;
  const read = operation === 'GetSecretValue' ? holderOf(secret?.versions ?? {}, stage) : undefined;
  return {
    operation,
    secretIds: [secretId, secret?.name, secret?.arn].filter((id) => id !== undefined),
    versionIds: [versionIdIn(request) ?? read].filter((id) => id !== undefined),
  };
}
