import type { CallContext, Secret, SecretVersion, ServiceState } from './state.ts';
import { invalidRequest, notFound, validationFailed } from './service-error.ts';
import { archived, countVersions, withoutOldest } from './version-archive.ts';
import { settle, type Versions } from './version-stages.ts';

export interface Outcome {
  readonly state: ServiceState;
  /** Dates are in seconds. */
  readonly output: Readonly<Record<string, unknown>>;
}

/**
 * By name, by ARN, or by ARN without the last hyphen and six characters. An ARN that ends in a hyphen and six
 * characters counts as complete, even if they belong to the name (recorded). Throws `ResourceNotFoundException`, and
 * `ValidationException` for an impossible name.
 */
export function findSecret(state: ServiceState, secretId: string): Secret {
  const secret = lookUp(state, secretId);
  if (secret === undefined) throw notFound("Secrets Manager can't find the specified secret.");
  return secret;
}

/** Deleted secrets are found as long as they can be restored. */
export function lookUp(state: ServiceState, secretId: string): Secret | undefined {
  const all = Object.values(state.secrets);
  // A name can be that of a member of every object ('constructor').
  if (!secretId.startsWith('arn:')) {
    checkName(secretId);
    return all.find((secret) => secret.name === secretId);
  }
  const byArn = state.secrets[secretId];
  if (byArn !== undefined) return byArn;
  if (/-[a-zA-Z0-9]{6}$/.test(secretId)) return undefined;
  return all.find((secret) => secret.arn.slice(0, -ARN_SUFFIX_LENGTH) === secretId);
}

/** The hyphen and six characters that the service adds to the name. */
const ARN_SUFFIX_LENGTH = 7;

/** Also refuses a secret that waits for its deletion. */
export function findLiveSecret(state: ServiceState, secretId: string): Secret {
  const secret = findSecret(state, secretId);
  if (secret.deletion !== undefined) throw markedForDeletion();
  return secret;
}

export function markedForDeletion(): Error {
  return invalidRequest("You can't perform this operation on the secret because it was marked for deletion.");
}

/** Recorded with equal words for `Name` and for every `SecretId`. */
export function checkName(name: string): void {
  if (/^[a-zA-Z0-9/_+=.@!-]+$/.test(name)) return;
  throw validationFailed(
    'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
  );
}

/** Recorded of all four operations that take a token; `RotateSecret` has a type of its own. */
export const TOKEN_MISSING = 'You must provide a ClientRequestToken value. We recommend a UUID-type value.';

export function requireToken(token: string | undefined): string {
  if (token === undefined) throw invalidRequest(TOKEN_MISSING);
  return token;
}

export function withSecret(state: ServiceState, secret: Secret): ServiceState {
  return { ...state, secrets: { ...state.secrets, [secret.arn]: secret } };
}

export function withoutSecretOf(state: ServiceState, arn: string): ServiceState {
  return { ...state, secrets: Object.fromEntries(Object.entries(state.secrets).filter(([key]) => key !== arn)) };
}

/** `LastChangedDate` moves with every change. */
export function withVersions(secret: Secret, versions: Versions, context: CallContext): Secret {
  if (versions === secret.versions) return secret;
  const settled = settle(secret.versions, versions, context.behaviour.unlabelledVersions);
  return archived({ ...secret, versions: settled, lastChangedDate: context.now });
}

const VERSIONS_KEPT = 100;
const DAY = 86_400_000;

/**
 * "Secrets Manager removes outdated versions when there are more than 100, but it does not remove versions created less
 * than 24 hours ago" (PutSecretValue). When the quota refuses a call is on no record, so there is no quota here.
 */
export function withRoom(secret: Secret, context: CallContext): Secret {
  if (context.behaviour.unlabelledVersions !== 'as-documented') return secret;
  const tooMany = countVersions(secret) + 1 - VERSIONS_KEPT;
  return tooMany <= 0 ? secret : withoutOldest(secret, tooMany, (version) => isOutdated(version, context.now));
}

function isOutdated(version: SecretVersion, now: number): boolean {
  return version.stages.length === 0 && now - version.createdDate >= DAY;
}
