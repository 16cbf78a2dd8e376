import type { FaultTarget } from './faults.ts';
import { stringMember, type JsonObject } from './json.ts';
import type { OperationName } from './service/perform.ts';
import { lookUp } from './service/secrets.ts';
import type { Secret, ServiceState } from './service/state.ts';
import { CURRENT, holderOf } from './service/version-stages.ts';

/** As the caller spelt it. */
export function secretIdIn(request: JsonObject): string | undefined {
  return stringMember(request, 'SecretId') ?? stringMember(request, 'Name');
}

/** The version that a request names, or the token of the version that it makes. */
export function versionIdIn(request: JsonObject): string | undefined {
  return stringMember(request, 'VersionId') ?? stringMember(request, 'ClientRequestToken');
}

export function secretNamed(state: ServiceState, secretId: string | undefined): Secret | undefined {
  try {
    return secretId === undefined ? undefined : lookUp(state, secretId);
  } catch {
    // Not a name: the operation itself refuses it.
    return undefined;
  }
}

/** With every name of the secret, and the version that the call reads or makes. */
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
