import { present, seconds, unlessEmpty } from '../answer.ts';
import { findSecret, type Outcome } from '../secrets.ts';
import type { describeSecret as shape } from '../shapes.ts';
import { type Read } from '../shapes.ts';
import { regionOf } from '../regions.ts';
import { statusOf } from './replication.ts';
import { daysBetweenRotations, windowOpeningAt } from '../schedule.ts';
import type { CallContext, Rotation, Secret, ServiceState } from '../state.ts';
import { listedStages } from '../version-stages.ts';

/** Answers for a secret that waits for its deletion, too. */
export function describeSecret(state: ServiceState, input: Read<typeof shape>, context: CallContext): Outcome {
  const secret = findSecret(state, input.SecretId);
  return {
    state,
    output: present({
      ...detailsOf(secret, context.now),
      VersionIdsToStages: stagesById(secret),
      ReplicationStatus: secret.replicas?.map(statusOf),
    }),
  };
}

/** What DescribeSecret and ListSecrets share. */
export function detailsOf(secret: Secret, now: number): Readonly<Record<string, unknown>> {
  return {
    ARN: secret.arn,
    Name: secret.name,
    Description: secret.description,
    KmsKeyId: secret.kmsKeyId,
    ...rotationDetails(secret.rotation, now),
    LastChangedDate: seconds(secret.lastChangedDate),
    LastAccessedDate: optionalSeconds(secret.lastAccessedDate),
    // "The date the secret is scheduled for deletion": the end of the recovery window, not the day of the request.
    DeletedDate: optionalSeconds(secret.deletion?.deletesAt),
    Tags: secret.hadTags === true ? secret.tags : unlessEmpty(secret.tags),
    CreatedDate: seconds(secret.createdDate),
    PrimaryRegion: secret.primaryRegion ?? (secret.replicas === undefined ? undefined : regionOf(secret.arn)),
  };
}

/** "A list of the versions of the secret that have staging labels attached", placeholders included. */
export function stagesById(secret: Secret): Readonly<Record<string, readonly string[]>> | undefined {
  const labelled = Object.entries(secret.versions).filter(([, version]) => version.stages.length > 0);
  return unlessEmpty(Object.fromEntries(labelled.map(([id, version]) => [id, listedStages(version)])));
}

/** While rotation is switched off, dates are left out; Lambda and rules are shown, as documented. */
function rotationDetails(rotation: Rotation | undefined, now: number): Readonly<Record<string, unknown>> {
  if (rotation === undefined) return {};
  const { enabled, lambdaArn, rules, lastRotatedDate, nextRotationDate } = rotation;
  return {
    RotationEnabled: enabled,
    RotationLambdaARN: lambdaArn,
    RotationRules: unlessEmpty(
      present({ ...rules, AutomaticallyAfterDays: rules.AutomaticallyAfterDays ?? daysBetweenRotations(rules, now) }),
    ),
    LastRotatedDate: enabled ? optionalSeconds(lastRotatedDate) : undefined,
    NextRotationDate:
      enabled && nextRotationDate !== undefined
        ? lastSecond(windowOpeningAt(rules, nextRotationDate).closes)
        : undefined,
  };
}

/** "The next rotation is scheduled to occur on or before this date": recorded as 23:59:59 of the day of the window. */
function lastSecond(closes: number): number {
  return seconds(closes) - 1;
}

function optionalSeconds(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : seconds(milliseconds);
}
