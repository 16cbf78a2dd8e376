import { present } from '../answer.ts';
import { beginRotation, beginScheduledRotation, beginTest, scheduled } from '../rotation-state.ts';
import { checkRules } from '../schedule.ts';
import { invalidParameter, invalidRequest } from '../service-error.ts';
import { findLiveSecret, TOKEN_MISSING, withSecret, type Outcome } from '../secrets.ts';
import type { cancelRotateSecret as cancelShape, rotateSecret as shape } from '../shapes.ts';
import { type Read, type RotationRulesInput } from '../shapes.ts';
import type { CallContext, Rotation, RotationRules, Secret, ServiceState } from '../state.ts';
import { versionOf } from '../version-archive.ts';
import { unfinishedVersion } from '../version-stages.ts';
import { withoutMember } from '../without-member.ts';

type Request = Read<typeof shape>;

/** Makes the pending version, or that of a test run, and leaves the steps to the driver, by `underWay`. */
export function rotateSecret(state: ServiceState, input: Request, context: CallContext): Outcome {
  const token = input.ClientRequestToken;
  // Recorded: the missing token has this type here, everywhere else InvalidRequestException.
  if (token === undefined) throw invalidParameter(TOKEN_MISSING);
  const rules = rulesOf(input.RotationRules);
  if (rules !== undefined) checkRules(rules);
  const secret = findLiveSecret(state, input.SecretId);
  const output = { ARN: secret.arn, Name: secret.name, VersionId: token };
  if (versionOf(secret, token) !== undefined) {
    // A repetition of the request that made this version.
    const isUnfinished = unfinishedVersion(secret.versions) === token;
    return { state: isUnfinished ? beginScheduledRotation(state, secret.arn, context) : state, output };
  }

  const rotation = configured(secret, input.RotationLambdaARN, rules, context);
  if (unfinishedVersion(secret.versions) !== undefined) {
    // The driver reattempts it (beginScheduledRotation); nothing of the request takes effect.
    throw invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.");
  }
  const begin = input.RotateImmediately === false ? beginTest : beginRotation;
  const begun = begin(secret, rotation, token, context);
  return { state: withSecret(state, { ...begun, lastChangedDate: context.now }), output };
}

function configured(
  secret: Secret,
  lambdaArn: string | undefined,
  rules: RotationRules | undefined,
  context: CallContext,
): Rotation {
  const arn = lambdaArn === undefined || lambdaArn === '' ? secret.rotation?.lambdaArn : lambdaArn;
  if (arn === undefined) throw invalidRequest('No Lambda rotation function ARN is associated with this secret.');
  const { lastRotatedDate } = secret.rotation ?? {};
  const rotation: Rotation = {
    enabled: true,
    lambdaArn: arn,
    rules: rules ?? secret.rotation?.rules ?? {},
    ...(lastRotatedDate === undefined ? {} : { lastRotatedDate }),
  };
  return scheduled(rotation, lastRotatedDate, context.now);
}

/** `undefined` if the request has no rules. */
function rulesOf(input: RotationRulesInput | undefined): RotationRules | undefined {
  if (input === undefined) return undefined;
  const { AutomaticallyAfterDays, ScheduleExpression, Duration } = input;
  const rules: RotationRules = {
    ...(AutomaticallyAfterDays === undefined ? {} : { AutomaticallyAfterDays }),
    ...(ScheduleExpression === undefined ? {} : { ScheduleExpression }),
    ...(Duration === undefined ? {} : { Duration }),
  };
  return Object.keys(rules).length === 0 ? undefined : rules;
}

/** `VersionId` names the version left with `AWSPENDING`. Of a secret that never had rotation there is no record. */
export function cancelRotateSecret(
  state: ServiceState,
  input: Read<typeof cancelShape>,
  context: CallContext,
): Outcome {
  const secret = findLiveSecret(state, input.SecretId);
  const { rotation } = secret;
  const left = rotation === undefined ? undefined : (unfinishedVersion(secret.versions) ?? rotation.underWay?.token);
  const output = present({ ARN: secret.arn, Name: secret.name, VersionId: left });
  if (rotation === undefined) return { state, output };
  const halted = { ...withoutMember(rotation, 'underWay'), enabled: false };
  const cancelled = scheduled(halted, rotation.lastRotatedDate, context.now);
  return { state: withSecret(state, { ...secret, rotation: cancelled, lastChangedDate: context.now }), output };
}
