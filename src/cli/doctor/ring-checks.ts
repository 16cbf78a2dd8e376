import type { Note, NoteCode } from '../ring/notes.ts';
import { notesOn } from '../ring/notes.ts';
import type { RingReport, VersionReport } from '../ring/ring-report.ts';
import { dayCount } from '../terminal/table.ts';
import { checked, finding, notChecked, type CheckReport, type Finding, type Subject } from './check.ts';
import type { Examination } from './examination.ts';

const MOVED = { code: 'labels-moved', title: 'labels were moved by hand' } as const;
const LATE = { code: 'rotation-late', title: 'the rotation is off, late or stuck' } as const;
const NO_FUNCTION = { code: 'schedule-without-function', title: 'a schedule without a function' } as const;

/** A rotation takes seconds, and AWS gives up within hours; what is pending for longer needs somebody. */
const LONGEST_ROTATION = 24 * 3_600_000;

const UNLISTED = 'The versions could not be listed.';

/** A check that is one or several of `status`' notes. */
function fromNotes(subject: Subject, how: string, ...codes: readonly NoteCode[]): (seen: Examination) => CheckReport {
  return ({ report }) =>
    report === undefined
      ? notChecked(subject, UNLISTED)
      : checked(
          subject,
          how,
          notesOn(report)
            .filter(({ code }) => codes.includes(code))
            .map(asFinding),
        );
}

const asFinding = ({ text, next }: Note): Finding => finding(text, ...next);

export const ringNearlyFull = fromNotes(
  { code: 'ring-nearly-full', title: 'the ring is nearly full' },
  'labels of DescribeSecret, of 20 that a secret can have',
  'ring-nearly-full',
  'ring-full',
);

export const unfinishedCommand = fromNotes(
  { code: 'unfinished-command', title: 'a command broke off' },
  'labels and tags',
  'key-arriving',
  'retirement-unfinished',
);

/** A current or previous key without a number; a value that is no key needs none. */
export function unnumberedKey({ report, readings }: Examination): CheckReport {
  const subject = { code: 'unnumbered-key', title: 'a key in use has no number' } as const;
  if (report === undefined) return notChecked(subject, UNLISTED);
  const inUse = report.versions.filter(({ state }) => state === 'current' || state === 'previous');
  const findings = inUse
    .filter(({ number, versionId }) => number === undefined && readings.get(versionId)?.kind !== 'no key')
    .map(({ versionId, state }) =>
      finding(
        `Version ${versionId} is ${state === 'current' ? 'AWSCURRENT' : 'AWSPREVIOUS'} and has no number: it survives one further move of AWSCURRENT, not two.`,
        'pazpaz-keys adopt',
      ),
    );
  return checked(subject, 'labels of AWSCURRENT and AWSPREVIOUS', findings);
}

/** C02: a key that no label keeps. One that was retired, or that a rotation gave up, is no loss; nor is a copy. */
export function versionWithoutLabel({ report, unlisted, readings }: Examination): CheckReport {
  const subject = { code: 'version-without-label', title: 'a version has lost its labels' } as const;
  if (report === undefined || unlisted !== undefined) return notChecked(subject, UNLISTED);
  const loose = report.versions.filter(({ state }) => state === 'no label' || state === 'foreign label only');
  const lost = loose.filter(({ versionId }) => isPerhapsLost(versionId, report, readings));
  const findings = lost.map(({ versionId, created = '' }) =>
    finding(
      `Version ${versionId} (made on ${created.slice(0, 10)}) holds a key that is nowhere on the ring. If it ever was current, rows need it; AWS may delete it 24 hours after its last label went.`,
      `pazpaz-keys adopt --version-id ${versionId}`,
    ),
  );
  return checked(subject, 'ListSecretVersionIds with IncludeDeprecated, and their values', findings);
}

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
 * C18: numbers are given in the order of time, so a lower one on a younger version was moved there. One higher number
 * on an older version proves nothing: a refused rotation that is taken up gives its version, which is older than a key
 * that was put meanwhile, a later number; so does the adoption of a key that was made current again by hand. Two of them
 * no such history leaves.
 */
export function labelsMoved({ report, unlisted }: Examination): CheckReport {
  if (report === undefined || unlisted !== undefined) return notChecked(MOVED, UNLISTED);
  const numbered = report.versions.filter((version) => version.number !== undefined);
  const findings = numbered.flatMap((version, index): readonly Finding[] => {
    const older = numbered.slice(index + 1).filter((next) => isYounger(version, next) && next.isRescued !== true);
    if (older.length < 2) return [];
    return [
      finding(
        `Key ${version.number ?? 0} is on version ${version.versionId}, which is younger than those of keys ${older.map(({ number }) => number ?? 0).join(', ')}: its label was named in a put, or moved by hand, to other material than it first named. Put it back where it was, if you know it; every key that is on the ring is still tried for its rows.`,
        'pazpaz-keys status   # versions without a number may be the one that it was on',
      ),
    ];
  });
  return checked(MOVED, 'the order of numbers against the age of their versions', findings);
}

function isYounger(one: VersionReport, other: VersionReport): boolean {
  return one.created !== undefined && other.created !== undefined && one.created > other.created;
}

/** C17: rotation has failed for a year and nobody saw. */
export function rotationLate({ report, unlisted, rotationFunction }: Examination, now: Date): CheckReport {
  if (report === undefined) return notChecked(LATE, UNLISTED);
  const { rotation } = report;
  const isUnderWay = rotation.isEnabled && rotation.pending !== 'none';
  const notes = notesOn(report).filter(({ code }) =>
    ['rotation-off', 'rotation-overdue', 'rotation-left-over'].includes(code),
  );
  const pending = report.versions.find(({ state }) => state === 'pending' || state === 'placeholder');
  const since = pending?.created === undefined ? now : new Date(pending.created);
  const isStuck = isUnderWay && now.getTime() - since.getTime() > LONGEST_ROTATION;
  const stuck = isStuck
    ? [
        finding(
          `A rotation has been unfinished since ${since.toISOString()} (version ${pending?.versionId ?? ''}). The function's log names the step and why it fails.`,
          ...(rotation.functionArn === undefined ? [] : [tailOfLog(rotation.functionArn, rotationFunction)]),
          'pazpaz-keys rotate --wait',
          'pazpaz-keys rotate --clean-up',
        ),
      ]
    : [];
  if (unlisted !== undefined && isUnderWay && notes.length === 0) {
    return notChecked(LATE, `A rotation is under way; since when, only a listing of the versions tells. ${UNLISTED}`);
  }
  return checked(LATE, `schedule, last rotation ${dayCount(rotation.daysSinceLast)} ago, AWSPENDING`, [
    ...notes.map(asFinding),
    ...stuck,
  ]);
}

/** Where Lambda did not tell the log group, the command asks it: only some functions log to `/aws/lambda/NAME`. */
function tailOfLog(functionArn: string, found: Examination['rotationFunction']): string {
  const region = functionArn.split(':')[3] ?? '';
  if (found !== undefined && 'logGroup' in found)
    return `aws logs tail ${found.logGroup} --region ${region} --since 2d`;
  const logGroup = `aws lambda get-function-configuration --region ${region} --function-name ${functionArn} --query LoggingConfig.LogGroup --output text`;
  return `aws logs tail "$(${logGroup})" --region ${region} --since 2d`;
}

/** Nobody would notice before the next rotation is due, which may be a year away. */
export function scheduleWithoutFunction({ described, rotationFunction }: Examination): CheckReport {
  if (described === undefined) return notChecked(NO_FUNCTION, 'The secret could not be described.');
  const { RotationLambdaARN: functionArn, RotationRules: rules, RotationEnabled, Name = '' } = described.secret;
  const hasSchedule = rules !== undefined || RotationEnabled === true;
  if (rotationFunction === undefined) {
    const text = 'There is a schedule and no function that would rotate. Deploy the stack again, which sets both.';
    const findings = hasSchedule ? [finding(text, 'sam deploy')] : [];
    return checked(NO_FUNCTION, 'RotationRules and RotationLambdaARN of DescribeSecret', findings);
  }
  if ('unknown' in rotationFunction) return notChecked(NO_FUNCTION, rotationFunction.unknown);
  return checked(
    NO_FUNCTION,
    'GetFunctionConfiguration of RotationLambdaARN',
    rotationFunction.exists
      ? []
      : [
          finding(
            `The secret names ${functionArn ?? ''}, which does not exist: no rotation can run. Deploy the stack again, or name the function that there is.`,
            'sam deploy',
            `aws secretsmanager rotate-secret --secret-id ${Name} --no-rotate-immediately --rotation-lambda-arn ARN`,
          ),
        ],
  );
}
