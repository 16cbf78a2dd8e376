import { MANAGED_ALIAS } from '../../ring/kms-keys.ts';
import type { Evidence, SettingFacts } from '../evidence.ts';
import { keysOnRing, numbersOf } from '../keys.ts';
import { policyAnswer, strangerIn } from './secret-policy.ts';

/** The stack's default for rotations, and its least for logs. */
const ROTATION_DAYS = 365;
const LOG_DAYS = 365;

/** What was not seen is `undefined`. */
interface Seen extends Pick<Evidence, 'secret' | 'keys' | 'kmsKeys' | 'alarms' | 'access'> {
  readonly logRetentionDays?: number | 'never expires' | undefined;
  /** A trail of the account. */
  readonly isTrailLogging?: boolean | undefined;
  readonly isPolicySeen: boolean;
  readonly areAlarmsSeen: boolean;
}

/** As deployed, beside what the stack recommends. */
export function settingFacts(seen: Seen): readonly SettingFacts[] {
  const { secret, kmsKeys, alarms, access } = seen;
  const { rotation } = secret;
  const { primaryRegion } = rotation;
  const own = kmsKeys.filter(({ manager }) => manager !== 'AWS');
  const silent = alarms.filter(({ notifies }) => !notifies).map(({ name }) => name);
  const days = daysOf(rotation.schedule);
  const writes =
    access.policy === undefined
      ? 'silent'
      : policyAnswer(
          access.policy,
          strangerIn(secret.arn.split(':')[4] ?? ''),
          'secretsmanager:PutSecretValue',
          secret.arn,
        );
  return [
    setting(
      'rotation',
      'The rotation is on',
      primaryRegion !== undefined
        ? `a matter of the primary, in ${primaryRegion}`
        : rotation.isEnabled
          ? (rotation.schedule ?? 'on')
          : 'off',
      'on',
      primaryRegion === undefined ? rotation.isEnabled : undefined,
    ),
    setting(
      'rotation-days',
      'Time between rotations',
      rotation.schedule ?? 'none',
      `at most ${ROTATION_DAYS} days`,
      days === undefined ? undefined : days <= ROTATION_DAYS,
    ),
    setting(
      'own-kms-key',
      'KMS key of the secret',
      secret.kmsKeyId ?? "AWS's own key aws/secretsmanager",
      'a key of the account, whose policy says who may decrypt',
      secret.kmsKeyId?.endsWith(MANAGED_ALIAS) === false,
    ),
    ...own.map(({ keyId, isRotated, rotationDays }) =>
      setting(
        'kms-key-rotation',
        `Yearly rotation of ${keyId}`,
        isRotated === undefined
          ? 'not seen'
          : isRotated
            ? `on${rotationDays === undefined ? '' : `, every ${rotationDays} days`}`
            : 'off',
        'on',
        isRotated,
      ),
    ),
    setting(
      'operator-role',
      'The policy of the secret refuses writes of others than function and operator',
      !seen.isPolicySeen ? 'not seen' : writes === 'denies' ? 'yes' : writes === 'unknown' ? 'not known' : 'no',
      'yes (OperatorRoleArn)',
      !seen.isPolicySeen || writes === 'unknown' ? undefined : writes === 'denies',
    ),
    setting(
      'alarms',
      'Alarms that exist and notify someone',
      !seen.areAlarmsSeen ? 'not seen' : silent.length === 0 ? 'all' : `not ${silent.join(', ')}`,
      'all',
      seen.areAlarmsSeen ? silent.length === 0 : undefined,
    ),
    setting(
      'log-retention',
      "How long the function's log is kept",
      seen.logRetentionDays === undefined
        ? 'not seen'
        : typeof seen.logRetentionDays === 'number'
          ? `${seen.logRetentionDays} days`
          : seen.logRetentionDays,
      `at least ${LOG_DAYS} days`,
      seen.logRetentionDays === undefined
        ? undefined
        : typeof seen.logRetentionDays !== 'number' || seen.logRetentionDays >= LOG_DAYS,
    ),
    setting(
      'trail',
      'A trail records the calls of the account',
      seen.isTrailLogging === undefined ? 'not seen' : seen.isTrailLogging ? 'yes' : 'no',
      'yes',
      seen.isTrailLogging,
    ),
    setting(
      'backup',
      'A backup of every key',
      secret.backup === undefined ? 'none is recorded' : `of ${secret.backup.date.slice(0, 10)}`,
      'made after each rotation',
      secret.backup === undefined
        ? false
        : numbersOf(keysOnRing(seen.keys)).every((number) => secret.backup?.numbers.includes(number)),
    ),
  ];
}

function setting(
  code: SettingFacts['code'],
  title: string,
  found: string,
  recommended: string,
  isMet: boolean | undefined,
): SettingFacts {
  return { code, title, found, recommended, isMet: isMet === undefined ? 'unknown' : isMet ? 'yes' : 'no' };
}

/** `every 365 days`, `rate(90 days)`; a cron expression has no such number. */
function daysOf(schedule: string | undefined): number | undefined {
  const [, days] = /^(?:every |rate\()(\d+) days?\)?$/.exec(schedule ?? '') ?? [];
  return days === undefined ? undefined : Number(days);
}
