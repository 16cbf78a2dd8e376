import { backupRecord } from '../backup/backup-tag.ts';
import { isDerived } from '../move/derived-version.ts';
import type { Note, NoteCode } from '../status/note.ts';
import { howToNumber } from '../status/make-room.ts';
import { notesOn, unnumbered } from '../status/notes.ts';
import { takesTooLong, type RingReport, type VersionReport } from '../status/ring-report.ts';
import { capitalized, dayCount, keyList } from '../terminal/table.ts';
import { check, checked, finding, notChecked, type Check, type Finding } from './check.ts';
import type { Examination } from './examination.ts';
import { step } from '../suggested-commands.ts';

const DAY = 24 * 3_600_000;

const UNLISTED = 'The versions could not be listed.';

/** Finds the notes of `status` with these codes. */
function fromNotes(how: string, ...codes: readonly NoteCode[]): Check['run'] {
  return ({ report }) => {
    if (report === undefined) return notChecked(UNLISTED);
    const notes = notesOn(report).filter(({ code }) => codes.includes(code));
    return checked(how, notes.map(asFinding));
  };
}

const asFinding = ({ text, next }: Note): Finding => finding(text, ...next);

export const RING_NEARLY_FULL = check(
  'ring-nearly-full',
  'the ring is nearly full',
  fromNotes('labels of DescribeSecret, of 20 that a secret can have', 'ring-nearly-full', 'ring-full'),
);

export const UNFINISHED_COMMAND = check(
  'unfinished-command',
  'a command was interrupted',
  fromNotes(
    'labels and tags',
    'key-arriving',
    'retirement-unfinished',
    'restore-unfinished',
    'number-on-another-key',
    'move-unfinished',
    'restore-ring-unfinished',
  ),
);

/** A value that is not a key needs no number. */
export const UNNUMBERED_KEY = check('unnumbered-key', 'a key in use has no number', ({ report, readings }) => {
  if (report === undefined) return notChecked(UNLISTED);
  const findings = report.versions.flatMap((version) => {
    const { number, state, versionId } = version;
    const isInUse = state === 'current' || state === 'previous';
    if (!isInUse || number !== undefined || readings.get(versionId)?.kind === 'no key') return [];
    return [finding(`Version ${versionId} ${unnumbered(state)}`, ...howToNumber(version, report))];
  });
  return checked('labels of AWSCURRENT and AWSPREVIOUS', findings);
});

/** C02. A key that was retired or copied, or whose rotation was abandoned, is not a loss. AWS may have deleted a lost one. */
export const VERSION_WITHOUT_LABEL = check(
  'version-without-label',
  'a version has lost its labels',
  ({ report, unlisted, readings }) => {
    if (report === undefined || unlisted !== undefined) return notChecked(UNLISTED);
    const loose = report.versions.filter(({ state }) => state === 'no label');
    const lost = loose.filter(({ versionId }) => isPerhapsLost(versionId, report, readings));
    const findings = lost.map(({ versionId, created = '' }) =>
      finding(
        `Version ${versionId} (made on ${created.slice(0, 10)}) holds a key that is nowhere on the ring. If it ` +
          'was ever current, rows need it; AWS may delete it 24 hours after it lost its last label.',
        step('adopt', '--version-id', versionId),
      ),
    );
    const gone = notesOn(report).filter(({ code }) => code === 'key-lost');
    return checked('ListSecretVersionIds with IncludeDeprecated, and their values', [
      ...findings,
      ...gone.map(asFinding),
    ]);
  },
);

function isPerhapsLost(versionId: string, report: RingReport, readings: Examination['readings']): boolean {
  const reading = readings.get(versionId);
  if (reading?.kind === 'refused') return true;
  if (reading?.kind !== 'key') return false;
  return !report.versions.some((other) => {
    const known = readings.get(other.versionId);
    return other.number !== undefined && known?.kind === 'key' && known.key.equals(reading.key);
  });
}

/**
 * C18: a lower number on a younger version was moved there, unless move or restore-ring made that version (its
 * VersionId proves it, if its key can be read). One higher number on an older version proves nothing: a refused rotation
 * that is taken up has an older version than a key put meanwhile, and so has a key made current again and then adopted.
 * No such history explains two.
 */
export const LABELS_MOVED = check('labels-moved', 'labels were moved by hand', ({ report, unlisted, readings }) => {
  if (report === undefined || unlisted !== undefined) return notChecked(UNLISTED);
  const atLimit = notesOn(report)
    .filter(({ code }) => code === 'number-at-limit')
    .map(asFinding);
  const numbered = report.versions.flatMap((version) =>
    version.number === undefined ? [] : [{ ...version, number: version.number }],
  );
  const unread: number[] = [];
  const findings = numbered.flatMap((version, index): readonly Finding[] => {
    const { number, versionId } = version;
    const older = numbered.slice(index + 1).filter((next) => isYounger(version, next) && next.isRescued !== true);
    if (older.length < 2) return [];
    const reading = readings.get(versionId);
    if (reading?.kind === 'refused') unread.push(number);
    if (reading?.kind === 'refused' || (reading?.kind === 'key' && isDerived(versionId, reading.key, number)))
      return [];
    return [
      finding(
        `Key ${number} is on version ${versionId}, which is younger than those of keys ` +
          `${older.map((one) => one.number).join(', ')}: its label was named in a put, or moved by hand, ` +
          'from one key to another. Move it back if you know where it was (a version without a number may be the ' +
          'one). Every key that is on the ring is still tried for its rows.',
        step('status'),
      ),
    ];
  });
  const all = [...atLimit, ...findings];
  if (all.length === 0 && unread.length > 0)
    return notChecked(`${keyList(unread)}: only the value shows whether move or restore-ring made the version.`);
  return checked('the order of numbers against the age of their versions', all);
});

function isYounger(one: VersionReport, other: VersionReport): boolean {
  return one.created !== undefined && other.created !== undefined && one.created > other.created;
}

/** C17: rotations fail for a year and no one notices. */
export const ROTATION_LATE = check(
  'rotation-late',
  'the rotation is off, late or stuck',
  ({ report, unlisted, rotationFunction, now }) => {
    if (report === undefined) return notChecked(UNLISTED);
    const { rotation } = report;
    if (rotation.primaryRegion !== undefined)
      return checked(`this is a replica, and its primary in ${rotation.primaryRegion} rotates`, []);
    const isUnderWay = rotation.isEnabled && rotation.pending !== 'none';
    const notes = notesOn(report).filter(({ code }) =>
      ['rotation-off', 'rotation-overdue', 'rotation-left-over'].includes(code),
    );
    const pending = report.versions.find(({ state }) => state === 'pending' || state === 'placeholder');
    const since = pending?.created === undefined ? now : new Date(pending.created);
    const isStuck = isUnderWay && takesTooLong(pending, now);
    const log = rotation.functionArn === undefined ? [] : [tailOfLog(rotation.functionArn, rotationFunction)];
    const stuck = isStuck
      ? [
          finding(
            `A rotation has been unfinished since ${since.toISOString()} (version ${pending?.versionId ?? ''}). ` +
              "The function's log shows which step fails and why.",
            ...log,
            step('rotate', '--wait'),
            step('rotate', '--clean-up'),
          ),
        ]
      : [];
    if (unlisted !== undefined && isUnderWay && notes.length === 0) {
      return notChecked(`A rotation is under way. Only a listing of the versions shows since when. ${UNLISTED}`);
    }
    const open = isUnderWay
      ? `: a rotation is under way (version ${pending?.versionId ?? ''}, since ${since.toISOString()})${log.map((tail) => `; its log: ${tail}`).join('')}`
      : '';
    const findings = [...notes.map(asFinding), ...stuck];
    const isNoKey = report.versions.some((version) => version.state === 'current' && version.isNoKey === true);
    return checked(
      `schedule, ${lastRotation(report)}, AWSPENDING${open}`,
      isNoKey ? findings.map(withoutRotate) : findings,
    );
  },
);

/** AWS shows no date while rotation is off. */
function lastRotation({ rotation }: RingReport): string {
  if (rotation.last !== undefined) return `last rotation ${dayCount(rotation.daysSinceLast)} ago`;
  return rotation.isEnabled ? 'no rotation yet' : 'off';
}

/** No rotation begins before the current value is a key. */
function withoutRotate({ text, next }: Finding): Finding {
  const others = next.filter((one) => typeof one === 'string' || !one.args.includes('--wait'));
  return finding(text, ...others);
}

/** Without a log group from Lambda, the command asks for it: only some functions log to `/aws/lambda/NAME`. */
function tailOfLog(functionArn: string, found: Examination['rotationFunction']): string {
  const region = functionArn.split(':')[3] ?? '';
  if (found !== undefined && 'logGroup' in found)
    return `aws logs tail ${found.logGroup} --region ${region} --since 2d`;
  const logGroup = `aws lambda get-function-configuration --region ${region} --function-name ${functionArn} --query LoggingConfig.LogGroup --output text`;
  return `aws logs tail "$(${logGroup})" --region ${region} --since 2d`;
}

/** Otherwise this would be noticed when the next rotation is due, perhaps in a year. */
export const SCHEDULE_WITHOUT_FUNCTION = check(
  'schedule-without-function',
  'a schedule without a function',
  ({ described, rotationFunction }) => {
    if (described === undefined) return notChecked('The secret could not be described.');
    const { RotationLambdaARN: functionArn, RotationRules: rules, RotationEnabled, Name = '' } = described.secret;
    const hasSchedule = rules !== undefined || RotationEnabled === true;
    if (rotationFunction === undefined) {
      const text = 'There is a schedule, but no function that would rotate. Deploy the stack again, which sets both.';
      const findings = hasSchedule ? [finding(text, 'sam deploy')] : [];
      return checked('RotationRules and RotationLambdaARN of DescribeSecret', findings);
    }
    if ('unknown' in rotationFunction) return notChecked(rotationFunction.unknown);
    return checked(
      'GetFunctionConfiguration of RotationLambdaARN',
      rotationFunction.exists
        ? []
        : [
            finding(
              `The secret names ${functionArn ?? ''}, which does not exist, so no rotation can run. Deploy the ` +
                'stack again, or name an existing function.',
              'sam deploy',
              `aws secretsmanager rotate-secret --secret-id ${Name} --no-rotate-immediately --rotation-lambda-arn ARN`,
            ),
          ],
    );
  },
);

/** A key that no backup has is lost with the secret. */
export const NOT_IN_BACKUP = check('not-in-backup', 'a key is in no backup', ({ described, now }) => {
  if (described === undefined) return notChecked('The secret could not be described.');
  const record = backupRecord(described.secret.Tags);
  if (record === undefined) {
    return checked('the tag of the last backup', [
      finding(
        'The tag pazpaz:backup cannot be read: it must be a date and the numbers of the keys, and was changed by hand. ' +
          'Which keys the last backup has is unknown. Make another one, for the same recipients.',
        step('backup', '--to', 'FILE', '--recipient', 'RECIPIENT'),
      ),
    ]);
  }
  const missing = [...described.ring.versionOf.keys()].filter((number) => !record.numbers.includes(number));
  const age = dayCount(Math.max(0, Math.floor((now.getTime() - Date.parse(record.date)) / DAY)));
  const text =
    `${capitalized(keyList(missing.sort((one, other) => one - other)))} of the ring: not in the last backup, of ` +
    `${record.date}. Make another one, for the same recipients.`;
  const findings =
    missing.length === 0 ? [] : [finding(text, step('backup', '--to', 'FILE', '--recipient', 'RECIPIENT'))];
  return checked(`the tag of the last backup, ${age} ago, with ${keyList(record.numbers)}`, findings);
});
