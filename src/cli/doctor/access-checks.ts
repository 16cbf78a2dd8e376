import { isKeyRotationError } from '../../format/error.ts';
import { awsErrorName, isTemporary, refusalKind } from '../../secret/aws-error.ts';
import { check, checked, finding, notChecked, type Finding } from './check.ts';
import type { Examination } from './examination.ts';
import { step, type NextStep } from '../suggested-commands.ts';

/** AWS refuses signatures that are more than five minutes off ("Signature Version 4"). */
const LONGEST_CLOCK_OFFSET = 5 * 60_000;

/** Not because of KMS. Only operators may list versions; applications need not. */
export const ACCESS_DENIED = check('access-denied', 'access denied (issue 1)', (seen) => {
  if (isUnreachable(seen)) return notChecked('AWS did not answer.');
  const findings: Finding[] = [];
  const denied = (action: string, reason: string): void => {
    findings.push(
      finding(
        `The caller may not ${action}: ${reason}`,
        `aws iam list-attached-role-policies --role-name ROLE   # then attach a policy that allows ${action} on the secret`,
      ),
    );
  };
  if (isAccessDenied(seen.undescribed)) denied('secretsmanager:DescribeSecret', seen.undescribed?.message ?? '');
  const reading = [...seen.readings.values()].find((one) => one.kind === 'refused' && one.isDenied && !one.isKms);
  if (reading?.kind === 'refused') denied('secretsmanager:GetSecretValue', reading.reason);
  return checked(
    isAccessDenied(seen.unlisted)
      ? 'calls of DescribeSecret and GetSecretValue; ListSecretVersionIds, which only operators need, is denied'
      : 'calls of DescribeSecret, ListSecretVersionIds and GetSecretValue',
    findings,
  );
});

const ELSEWHERE = ['SECRET_NOT_FOUND', 'SECRET_DELETED', 'CANNOT_REACH_AWS'];

/** The state of the secret is unknown then, so it is a finding. */
export const AWS_REFUSED = check('aws-refused', 'AWS refuses for another reason', (seen) => {
  const { undescribed, unlisted, readings } = seen;
  const errors = [undescribed, unlisted].filter((error) => error !== undefined && !isAccessDenied(error));
  const reading = [...readings.values()].find((one) => one.kind === 'refused' && !one.isDenied && !one.isKms);
  return checked('every call above', [
    ...errors.flatMap((error) =>
      error === undefined || ELSEWHERE.includes(error.code) ? [] : [finding(error.message, wayOn(error.cause))],
    ),
    ...(reading?.kind === 'refused' ? [finding(`GetSecretValue: ${reading.reason}`, AGAIN)] : []),
    ...faultsElsewhere(seen).map((why) => finding(why, AGAIN)),
  ]);
});

function faultsElsewhere({ kmsKeys, replicas, rotationFunction }: Examination): readonly string[] {
  const faults: string[] = [];
  for (const state of kmsKeys.values()) {
    if ('unknown' in state && state.isFault === true) faults.push(`kms:DescribeKey: ${state.unknown}`);
  }
  for (const { region, numbers } of replicas) {
    if ('unknown' in numbers && numbers.isFault === true) faults.push(`${region}: ${numbers.unknown}`);
  }
  const isUnknown = rotationFunction !== undefined && 'unknown' in rotationFunction;
  if (isUnknown && rotationFunction.isFault === true) faults.push(rotationFunction.unknown);
  return faults;
}

const AGAIN = step('doctor');

function wayOn(cause: unknown): NextStep {
  const kind = refusalKind(cause);
  return kind === 'expired' ? 'aws sso login' : kind === 'unknown caller' ? 'aws sts get-caller-identity' : AGAIN;
}

/** A network problem, or a refusal that passes by itself. */
export function cannotAnswerNow(seen: Examination): boolean {
  const errors = [seen.undescribed, seen.unlisted];
  const { unlistedColumns } = seen;
  const readings = [...seen.readings.values()];
  return (
    isUnreachable(seen) ||
    isKeyRotationError(unlistedColumns, 'CANNOT_REACH_DATABASE') ||
    errors.some((error) => error !== undefined && isTemporary(error.cause)) ||
    readings.some((reading) => reading.kind === 'refused' && reading.isTemporary)
  );
}

function isAccessDenied(error: Examination['undescribed']): boolean {
  return error?.code === 'AWS_REFUSED' && awsErrorName(error.cause) === 'AccessDeniedException';
}

/** Wrong name, wrong region, or a secret that is scheduled for deletion. */
export const SECRET_NOT_FOUND = check(
  'secret-not-found',
  'secret not found (issue 2)',
  ({ undescribed, otherNames, secretId, region }) => {
    const how = `DescribeSecret of '${secretId}' in ${region ?? "the profile's region"}`;
    if (undescribed?.code === 'SECRET_DELETED') {
      return checked(how, [
        finding(
          'The secret is scheduled for deletion, and every key with it.',
          `aws secretsmanager restore-secret --secret-id ${secretId}`,
        ),
      ]);
    }
    if (undescribed?.code === 'SECRET_NOT_FOUND') {
      const names =
        otherNames.length === 0 ? 'No other secret could be listed there.' : `Names there: ${otherNames.join(', ')}.`;
      const other = otherNames[0];
      return checked(how, [
        finding(
          `There is no such secret in this region: the name or the region is wrong. ${names}`,
          ...(other === undefined ? [] : [{ command: 'doctor' as const, args: [], secretId: other }]),
          'aws secretsmanager list-secrets --region REGION',
        ),
      ]);
    }
    return undescribed === undefined ? checked(how, []) : notChecked('The secret could not be described.');
  },
);

export const KMS_DENIED = check('kms-denied', 'KMS denied (issue 3)', ({ described, readings, environment }) => {
  if (described?.ring.current === undefined) return notChecked('There is no current key to read.');
  const how = 'GetSecretValue of the current version';
  const reading = readings.get(described.ring.current);
  if (reading?.kind !== 'refused') return checked(how, []);
  if (!reading.isKms) return notChecked('The current version could not be read for another reason.');
  const role = environment['AWS_ROLE_ARN'] ?? 'the role';
  return checked(how, [
    finding(
      `The current key cannot be decrypted: ${reading.reason}. Allow ${role} kms:Decrypt on ` +
        `${described.secret.KmsKeyId ?? 'the KMS key of the secret'}, in its policy and in the key's, and check ` +
        'that the key is enabled.',
      `aws kms describe-key --key-id ${described.secret.KmsKeyId ?? 'alias/aws/secretsmanager'}`,
    ),
  ]);
});

/** Network, endpoint or credentials. */
export const ENDPOINT_UNREACHABLE = check('endpoint-unreachable', 'the endpoint cannot be reached', (seen) => {
  const how = 'every call above';
  if (!isUnreachable(seen)) return checked(how, []);
  const why = (seen.undescribed ?? seen.unlisted)?.message ?? 'AWS did not answer.';
  // Nothing was sent without credentials, so the network is not the problem.
  const next = why.includes('No credentials')
    ? 'aws sts get-caller-identity'
    : `curl -sS -o /dev/null -w '%{http_code}\\n' https://secretsmanager.${seen.region ?? 'REGION'}.amazonaws.com`;
  return checked(how, [finding(why, next)]);
});

/** A local service's clock can be moved, so it proves nothing. */
export const CLOCK_WRONG = check('clock-wrong', "this machine's clock is wrong", ({ clockOffset, clockUnknown }) => {
  if (clockOffset === undefined) return notChecked('AWS did not answer.');
  const how = `the date of AWS's answers, ${seconds(clockOffset)} ${clockOffset < 0 ? 'behind' : 'ahead of'} this machine's`;
  if (Math.abs(clockOffset) <= LONGEST_CLOCK_OFFSET) return checked(how, []);
  if (clockUnknown !== undefined) return notChecked(`${clockUnknown}, and its clock may have been moved.`);
  return checked(how, [
    finding(
      `This machine's clock is ${seconds(clockOffset)} off. AWS refuses signatures that are five minutes off, and ` +
        'nonces rely on a correct clock as well.',
      'timedatectl set-ntp true',
    ),
  ]);
});

function isUnreachable({ undescribed, unlisted }: Examination): boolean {
  return [undescribed, unlisted].some((error) => error?.code === 'CANNOT_REACH_AWS');
}

function seconds(milliseconds: number): string {
  return `${Math.round(Math.abs(milliseconds) / 1000)} s`;
}
