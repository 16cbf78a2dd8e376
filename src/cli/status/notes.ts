import { hasAwsLabel } from '../../format/ring-labels.ts';
import { quoted, step, type NextStep } from '../suggested-commands.ts';
import { capitalized, dayCount, keyList } from '../terminal/table.ts';
import { isSameKmsKey, MANAGED_ALIAS, MANAGED_KEY, underOtherKmsKey } from '../ring/kms-keys.ts';
import { MOVING_LABEL, RESTORING_LABEL } from '../ring/labels.ts';
import {
  howToMakeRoom,
  howToMove,
  howToNumber,
  howToReplace,
  howToRestoreRing,
  isUnnumberedKey,
  whereRoom,
} from './make-room.ts';
import { attaching } from './label-call.ts';
import { lostNotes } from './lost-notes.ts';
import { numberNotes } from './number-notes.ts';
import { notice, warning, type Note, type NoteCode } from './note.ts';
import { pendingNotes } from './pending-notes.ts';
import { isIncoming, isNumbered, unfinishedRetirements, type RingReport, type VersionReport } from './ring-report.ts';

/** With this many free labels or fewer it is time to retire keys. The alarm has the same bound. */
const FEW_SLOTS = 3;

const FOLLOW = step('rotate', '--wait');

/** What needs attention in a report, the most urgent first. Empty if all is well. */
export function notesOn(report: RingReport): readonly Note[] {
  return [
    ...withoutCurrent(report),
    // No rotation ends before.
    ...numberNotes(report),
    ...pendingNotes(report),
    // Nothing makes room before the current key has a number.
    ...report.versions.filter(isCurrent).flatMap((version) => versionNotes(version, report)),
    ...unfinishedNotes(report),
    ...report.versions.filter((version) => !isCurrent(version)).flatMap((version) => versionNotes(version, report)),
    ...lostNotes(report),
    ...kmsKeyNotes(report),
    ...retirementNotes(report),
    ...slotNotes(report),
    ...scheduleNotes(report),
  ];
}

/** Notes that ask for nothing. */
const AS_YOU_LIKE: readonly NoteCode[] = ['restorable', 'foreign-label-only'];

/** Notes whose commands are alternatives. The first does less. */
export const ALTERNATIVES: readonly NoteCode[] = ['retirement-unfinished', 'number-on-another-key'];

/** The one command to run now: the first of the most urgent note. Absent: nothing needs to be done, or a person decides. */
export function recommended(notes: readonly Note[]): NextStep | undefined {
  // To rotate a secret that replaces a lost one would number a new key as the first of the lost ones.
  if (notes.some(({ code }) => code === 'no-current-key')) return undefined;
  return notes.filter(({ code }) => !AS_YOU_LIKE.includes(code)).flatMap(({ next }) => next)[0];
}

/** With these notes, no rotation ends, and only a person helps. */
export function wrongKeys(report: RingReport): readonly Note[] {
  return [...numberNotes(report), ...report.versions.flatMap((version) => noKeyNotes(version, report))];
}

function isCurrent({ state }: VersionReport): boolean {
  return state === 'current';
}

function withoutCurrent({ versions, rotation }: RingReport): readonly Note[] {
  if (versions.some(({ state }) => state === 'current') || rotation.pending === 'value') return [];
  return [
    warning(
      'no-current-key',
      'The secret has no key yet. Its first rotation makes key 1. If it replaces a lost secret, do not rotate it: ' +
        'run restore-ring instead.',
      ...(rotation.functionArn === undefined ? [] : [FOLLOW]),
      step('restore-ring', 'FILE'),
    ),
  ];
}

function noKeyNotes({ versionId, state, isNoKey }: VersionReport, report: RingReport): readonly Note[] {
  if (state !== 'current' || isNoKey !== true) return [];
  const isKeyBefore = report.versions.some((one) => one.state === 'previous' && one.isNoKey !== true);
  return [
    warning(
      'unnumbered-key',
      `Version ${versionId} is AWSCURRENT, and its value is not a key, so nothing can be encrypted. ` +
        (isKeyBefore ? 'Make the previous key current again, then rotate.' : 'Make a valid key current.'),
      isKeyBefore ? step('rollback') : howToReplace(versionId, report),
    ),
  ];
}

function versionNotes(version: VersionReport, report: RingReport): readonly Note[] {
  const { versionId, state, created } = version;
  const noKey = noKeyNotes(version, report);
  if (noKey.length > 0) return noKey;
  if (isUnnumberedKey(version)) {
    return [
      warning(
        'unnumbered-key',
        `Version ${versionId} ${unnumbered(state === 'current' ? state : 'previous')}`,
        ...howToNumber(version, report),
      ),
    ];
  }
  if (isIncoming(version)) {
    return [
      warning(
        'key-arriving',
        `A put --not-current was interrupted: version ${versionId} is still labelled key-incoming.`,
        ...howToNumber(version, report),
      ),
    ];
  }
  // While a command works on the version, running that command again is the way out.
  const isUnderWork = [MOVING_LABEL, RESTORING_LABEL].some((label) => version.labels.includes(label));
  if (state === 'foreign label only' && !isUnderWork) {
    return [
      notice(
        'foreign-label-only',
        `Version ${versionId} holds a key and has only labels that are not the ring's ` +
          `(${version.labels.join(', ')}): AWS keeps it, but no reader finds it. If data was encrypted with it, add ` +
          'it.',
        step('adopt', '--version-id', versionId),
      ),
    ];
  }
  if (state === 'no label') {
    const needed = report.versions.filter(isUnnumberedKey).length + 1;
    return [
      warning(
        'version-without-label',
        `Version ${versionId}${created === undefined ? '' : `, made on ${created.slice(0, 10)},`} has no number. ` +
          'If data was ever encrypted with it, rescue it now; AWS may delete it 24 hours after it lost its last ' +
          'label.',
        ...whereRoom(report, needed, step('adopt', '--version-id', versionId)),
      ),
    ];
  }
  return [];
}

/** A label of move or restore-ring is on a version for seconds only. */
function unfinishedNotes(report: RingReport): readonly Note[] {
  const { versions } = report;
  return versions.flatMap(({ versionId, labels, kmsKeyIds }) => [
    ...(labels.includes(MOVING_LABEL)
      ? [
          warning(
            'move-unfinished',
            `A move to another KMS key is under way or was interrupted: version ${versionId} is labelled ${MOVING_LABEL}. ` +
              'Every key can be read. Run it again.',
            ...howToMove(report, moveTo(report, kmsKeyIds)),
          ),
        ]
      : []),
    ...(labels.includes(RESTORING_LABEL)
      ? [
          warning(
            'restore-ring-unfinished',
            `A restore-ring is under way or was interrupted: version ${versionId} is labelled ${RESTORING_LABEL}. Run it ` +
              'again with the same file.',
            ...howToRestoreRing(report, step('restore-ring', 'FILE')),
          ),
        ]
      : []),
  ]);
}

/** `move` takes no alias. Where the secret's KMS key is one, the key of a version that it brought, or that is current. */
function moveTo({ kmsKeyId = MANAGED_ALIAS, versions }: RingReport, kmsKeyIds: readonly string[]): NextStep {
  if (!isAlias(kmsKeyId)) return step('move', '--kms-key-id', kmsKeyId);
  const current = versions.find(({ state }) => state === 'current')?.kmsKeyIds ?? [];
  const known = [...kmsKeyIds, ...current].find((id) => id !== MANAGED_KEY && !isAlias(id));
  if (known !== undefined) return step('move', '--kms-key-id', known);
  return `aws kms describe-key --key-id ${quoted(kmsKeyId)} --query KeyMetadata.Arn`;
}

function isAlias(kmsKeyId: string): boolean {
  return kmsKeyId !== MANAGED_ALIAS && kmsKeyId.includes('alias/');
}

/** Keys that need another KMS key than the secret's. */
function kmsKeyNotes(report: RingReport): readonly Note[] {
  const { kmsKeyId = MANAGED_ALIAS } = report;
  const older = underOtherKmsKey(report);
  if (older.length === 0) return [];
  const movable = older.filter(({ labels }) => !hasAwsLabel(labels));
  const names = (all: readonly VersionReport[]): string => keyList(all.map(({ number = 0 }) => number));
  const former = [...new Set(older.flatMap(({ kmsKeyIds }) => kmsKeyIds))].filter((id) => !isSameKmsKey(id, kmsKeyId));
  const text = `${capitalized(names(older))} can be read only with KMS key ${former.join(', ')}, which must stay enabled.`;
  if (movable.length > 0) return [notice('older-kms-key', text, ...howToMove(report, moveTo(report, [])))];
  const why = 'AWS should have re-encrypted a key in use. After two more rotations, move can move it.';
  return [notice('older-kms-key', `${text} ${why}`)];
}

function retirementNotes(report: RingReport): readonly Note[] {
  const { retired } = report;
  const numbers = [...unfinishedRetirements(report)];
  const away = retired.filter((key) => key.isLeft && !isNumbered(report, key.number));
  const [theirs, keys] = numbers.length === 1 ? ['its number', 'the key'] : ['their numbers', 'the keys'];
  return [
    ...(numbers.length === 0
      ? []
      : [
          warning(
            'retirement-unfinished',
            `Retiring or restoring ${keyList(numbers)} was interrupted: recorded as retired, and still with ${theirs}. ` +
              `Nothing is lost. Run one of the two: restore keeps ${keys}; retire finishes it if its checks still pass.`,
            step('restore', ...numbers.map(String)),
            step('retire', ...numbers.map(String)),
          ),
        ]),
    ...retired.flatMap(({ number, versionId, numberOn }) =>
      numberOn === undefined ? [] : [labelledByHand(report, { number, versionId, numberOn })],
    ),
    ...away
      .filter(({ isRestoring }) => isRestoring === true)
      .map(({ number }) =>
        warning(
          'restore-unfinished',
          `Restoring key ${number} was interrupted before it got its number back: rows under it cannot be read, and AWS ` +
            'may delete its version. Run it again.',
          ...whereRoom(report, 1, step('restore', String(number))),
        ),
      ),
    ...away
      .filter(({ isRestoring }) => isRestoring !== true)
      .map(({ number, date }) =>
        notice(
          'restorable',
          `Key ${number} was retired on ${date.slice(0, 10)}. AWS still has its version: if rows need the key, restore brings it back.`,
          step('restore', String(number)),
        ),
      ),
  ];
}

/**
 * Without the record, the retired key can get a number of its own: that takes no label off any key. To put the number
 * back is named only where the other key has another label.
 */
function labelledByHand(
  { name, versions }: RingReport,
  { number, versionId, numberOn }: { readonly number: number; readonly versionId: string; readonly numberOn: string },
): Note {
  const others = versions.find((version) => version.versionId === numberOn)?.labels.length ?? 0;
  const isOnly = others < 2;
  return warning(
    'number-on-another-key',
    `Number ${number} is on version ${numberOn} by hand, which has another key than key ${number}, retired as version ` +
      `${versionId}. A number names one key. Remove the record; then the retired key can get another number` +
      (isOnly ? '.' : ', or stay retired. Or put the number back.'),
    `aws secretsmanager untag-resource --secret-id ${quoted(name)} --tag-keys pazpaz:retired:key-v${number}`,
    ...(isOnly ? [] : [attaching(name, `key-v${number}`, versionId, numberOn)]),
  );
}

function slotNotes(report: RingReport): readonly Note[] {
  const { slots } = report;
  if (slots.free > FEW_SLOTS) return [];
  const { advice, next } = howToMakeRoom(report);
  return slots.free === 0
    ? [warning('ring-full', `No label is free, so no rotation can begin. ${advice}`, ...next)]
    : [
        warning(
          'ring-nearly-full',
          `${slots.free} of ${slots.of} labels ${slots.free === 1 ? 'is' : 'are'} free. ${advice}`,
          ...next,
        ),
      ];
}

function scheduleNotes({ rotation, versions }: RingReport): readonly Note[] {
  const { primaryRegion } = rotation;
  if (primaryRegion !== undefined) {
    const text = `This is a replica. Its primary in ${primaryRegion} rotates, and only there can the ring be changed: --region ${primaryRegion}.`;
    return [notice('replica', text)];
  }
  if (!rotation.isEnabled) {
    const isLeft = versions.some(({ state }) => state === 'pending' || state === 'placeholder');
    const canRotate = rotation.functionArn !== undefined && !isLeft;
    const text = `Rotation is off${rotation.functionArn === undefined ? ', and no function is set' : ''}: the current key stays in use until someone rotates.`;
    return [warning('rotation-off', text, ...(canRotate ? [FOLLOW] : []))];
  }
  if (rotation.daysOverdue === 0) {
    const { daysOfOldKey, schedule = '' } = rotation;
    if (daysOfOldKey === undefined) return [];
    const text = `The current key is ${dayCount(daysOfOldKey)} old, which is more than its schedule allows (${schedule}).`;
    return [warning('rotation-overdue', text, FOLLOW)];
  }
  const age = dayCount(rotation.daysSinceLast);
  const last =
    rotation.last === undefined ? `the secret was made ${age} ago and never rotated` : `the last one was ${age} ago`;
  const text = `The rotation is ${dayCount(rotation.daysOverdue)} late; ${last}.`;
  return [warning('rotation-overdue', text, FOLLOW, step('doctor'))];
}

/** What becomes of a version in use that has no number: each move of AWSCURRENT moves AWSPREVIOUS too. */
export function unnumbered(state: 'current' | 'previous'): string {
  const [label, which] = state === 'current' ? ['AWSCURRENT', 'second'] : ['AWSPREVIOUS', 'next'];
  return (
    `is ${label} and has no number: the ${which} move of AWSCURRENT from now takes its last label, and AWS may then ` +
    'delete it.'
  );
}
