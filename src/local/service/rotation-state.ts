import { nextRotationDate } from './schedule.ts';
import { withRoom, withSecret, withVersions } from './secrets.ts';
import type { CallContext, Rotation, Secret, SecretVersion, ServiceState } from './state.ts';
import {
  detachLabel,
  hasLabel,
  moveLabel,
  PENDING,
  CURRENT,
  unfinishedVersion,
  withoutVersions,
} from './version-stages.ts';
import { withoutMember } from './without-member.ts';

/** The service's own part of a rotation, as pure transitions. Each returns the given state if nothing is to do. */

/** Continues with the pending token, unless it is that of `AWSCURRENT`; otherwise starts a new rotation. */
export function beginScheduledRotation(state: ServiceState, arn: string, context: CallContext): ServiceState {
  const secret = state.secrets[arn];
  const rotation = secret?.rotation;
  if (secret === undefined || secret.deletion !== undefined || rotation?.enabled !== true) return state;
  const unfinished = unfinishedVersion(secret.versions);
  if (unfinished === undefined) {
    return withSecret(state, beginRotation(secret, rotation, context.newId(), context));
  }
  if (rotation.underWay?.token === unfinished) return state;
  return withSecret(state, {
    ...secret,
    rotation: { ...rotation, underWay: { token: unfinished, kind: 'rotation', attempts: 0 } },
  });
}

/** Before the first step, the token has a version with AWSPENDING and without a value. */
export function beginRotation(secret: Secret, rotation: Rotation, token: string, context: CallContext): Secret {
  const placeholder: SecretVersion = { stages: [], createdDate: context.now, ...kmsKeyOf(secret) };
  return {
    ...withPending(secret, token, placeholder, context),
    rotation: { ...rotation, underWay: { token, kind: 'rotation', attempts: 0 } },
  };
}

/**
 * `RotateImmediately=false`: "tests the rotation configuration by running the testSecret step. This test creates an
 * AWSPENDING version of the secret and then removes it." That version is a copy of the current value, or a placeholder.
 */
export function beginTest(secret: Secret, rotation: Rotation, token: string, context: CallContext): Secret {
  const current = Object.values(secret.versions).find((version) => version.stages.includes(CURRENT));
  const copy: SecretVersion = {
    ...(current?.value === undefined ? {} : { value: current.value }),
    stages: [],
    createdDate: context.now,
    ...kmsKeyOf(secret),
  };
  return {
    ...withPending(secret, token, copy, context),
    rotation: { ...rotation, underWay: { token, kind: 'test', attempts: 0 } },
  };
}

function withPending(secret: Secret, token: string, version: SecretVersion, context: CallContext): Secret {
  const before = withRoom(secret, context);
  return withVersions(before, moveLabel({ ...before.versions, [token]: version }, PENDING, token), context);
}

function kmsKeyOf(secret: Secret): { kmsKeyId?: string } {
  return secret.kmsKeyId === undefined ? {} : { kmsKeyId: secret.kmsKeyId };
}

/** The driver runs the steps again with the same token. */
export function recordAttempt(state: ServiceState, arn: string): ServiceState {
  return changeRotation(state, arn, (rotation) =>
    rotation.underWay === undefined
      ? rotation
      : { ...rotation, underWay: { ...rotation.underWay, attempts: rotation.underWay.attempts + 1 } },
  );
}

/**
 * All steps returned. `AWSPENDING` leaves the new version or stays beside `AWSCURRENT`: both are recorded. If the
 * version is not current, `AWSPENDING` stays and blocks the next `RotateSecret` (recorded with Lambdas that do
 * nothing).
 */
export function rotationSucceeded(state: ServiceState, arn: string, token: string, context: CallContext): ServiceState {
  const secret = state.secrets[arn];
  const rotation = secret?.rotation;
  if (secret === undefined || rotation === undefined) return state;
  if (!hasLabel(secret.versions, token, CURRENT)) return rotationGivenUp(state, arn, token, context);
  const isCleanedUp = context.behaviour.pendingAfterSuccess === 'removed' && hasLabel(secret.versions, token, PENDING);
  const versions = isCleanedUp ? detachLabel(secret.versions, PENDING) : secret.versions;
  return withSecret(state, {
    ...withVersions(secret, versions, context),
    rotation: { ...scheduled(ended(rotation, token), context.now, context.now), lastRotatedDate: context.now },
    lastChangedDate: context.now,
  });
}

/** Removes the version of the test. One that got another label meanwhile loses `AWSPENDING` only. */
export function testSucceeded(state: ServiceState, arn: string, token: string, context: CallContext): ServiceState {
  const secret = state.secrets[arn];
  const rotation = secret?.rotation;
  if (secret === undefined || rotation === undefined) return state;
  const isPending = hasLabel(secret.versions, token, PENDING);
  const detached = isPending ? detachLabel(secret.versions, PENDING) : secret.versions;
  const versions = isPending && detached[token]?.stages.length === 0 ? withoutVersions(detached, [token]) : detached;
  return withSecret(state, { ...withVersions(secret, versions, context), rotation: ended(rotation, token) });
}

/** On no record. If `AWSPENDING` stays, the next rotation finds a copy of the current key: the harder case. */
export function testFailed(state: ServiceState, arn: string, token: string, context: CallContext): ServiceState {
  return rotationGivenUp(state, arn, token, context);
}

/**
 * Every retry failed: the labels stay, and the next window tries again with the same token. The real `NextRotationDate`
 * "may be in the past" then; here it is the date of that window.
 */
export function rotationGivenUp(state: ServiceState, arn: string, token: string, context: CallContext): ServiceState {
  return changeRotation(state, arn, (rotation) =>
    rotation.underWay?.token === token
      ? scheduled(ended(rotation, token), rotation.lastRotatedDate, context.now)
      : rotation,
  );
}

export function rotationAbandoned(state: ServiceState, arn: string, token: string): ServiceState {
  return changeRotation(state, arn, (rotation) => ended(rotation, token));
}

/** The secret or version is gone, rotation was cancelled, or the version neither is pending nor was promoted. */
export function isAbandoned(state: ServiceState, arn: string, token: string): boolean {
  const secret = state.secrets[arn];
  if (secret === undefined || secret.deletion !== undefined) return true;
  if (secret.rotation?.underWay?.token !== token) return true;
  return !hasLabel(secret.versions, token, PENDING) && !hasLabel(secret.versions, token, CURRENT);
}

/** The next window after `now`, counted from `last`; no date while rotation is switched off. */
export function scheduled(rotation: Rotation, last: number | undefined, now: number): Rotation {
  const rest = withoutMember(rotation, 'nextRotationDate');
  const next = rotation.enabled ? nextRotationDate(rotation.rules, { last, now }) : undefined;
  return next === undefined ? rest : { ...rest, nextRotationDate: next };
}

/** Another attempt may have taken the place of this one. */
function ended(rotation: Rotation, token: string): Rotation {
  return rotation.underWay?.token === token ? withoutMember(rotation, 'underWay') : rotation;
}

function changeRotation(state: ServiceState, arn: string, change: (rotation: Rotation) => Rotation): ServiceState {
  const secret = state.secrets[arn];
  if (secret?.rotation === undefined) return state;
  const rotation = change(secret.rotation);
  return rotation === secret.rotation ? state : withSecret(state, { ...secret, rotation });
}
