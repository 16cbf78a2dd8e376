import { hasAwsLabel } from '../../format/ring-labels.ts';
import { step } from '../suggested-commands.ts';
import { canRetire, howToMakeRoom } from './make-room.ts';
import { notice, warning, type Note } from './note.ts';
import { wasCurrent, type RingReport } from './ring-report.ts';

const FOLLOW = step('rotate', '--wait');
const CLEAN_UP = step('rotate', '--clean-up');

/** What is under way, or was left by a rotation. */
export function pendingNotes(report: RingReport): readonly Note[] {
  const { rotation, versions, slots } = report;
  const finished = versions.find(({ state, labels }) => state === 'current' && labels.includes('AWSPENDING'));
  if (finished !== undefined && slots.free === 0) {
    return [
      notice(
        'rotation-left-over',
        `The rotation of version ${finished.versionId} has finished, and AWS has left AWSPENDING on it. On a full ring ` +
          'other commands need the place of that label. Take it off.',
        CLEAN_UP,
      ),
    ];
  }
  const pending = versions.find(({ state }) => state === 'pending' || state === 'placeholder');
  const id = pending?.versionId;
  if (id === undefined || rotation.pending === 'none') return [];
  if (!rotation.isEnabled) {
    return [
      warning(
        'rotation-left-over',
        `A rotation was cancelled: version ${id} is still AWSPENDING. End it; then a rotation can begin.`,
        CLEAN_UP,
      ),
    ];
  }
  if (pending?.labels.includes('AWSPREVIOUS') === true) {
    return [
      warning(
        'rotation-left-over',
        `Version ${id} was current and was left on purpose, and it is still AWSPENDING: its rotation cannot finish. End it.`,
        CLEAN_UP,
      ),
    ];
  }
  if (pending?.number !== undefined && wasCurrent(pending, report)) {
    return [
      warning(
        'rotation-left-over',
        `Version ${id} is AWSPENDING and holds key ${pending.number}, which is older than the current key: its rotation ` +
          'would make an old key current. End it.',
        CLEAN_UP,
      ),
    ];
  }
  const withoutNumber = versions.filter(({ labels, number }) => number === undefined && hasAwsLabel(labels)).length;
  if (pending?.state === 'placeholder' && withoutNumber === 1 && slots.free === 0 && canRetire(report)) {
    return [
      warning(
        'rotation-refused',
        `Version ${id} is AWSPENDING without a value: its rotation was refused because no label is free. Once a label is ` +
          'free, rotate takes it up. It need not be ended: that would only make retire wait for another 24 hours.',
        ...howToMakeRoom(report).next,
        FOLLOW,
      ),
    ];
  }
  if (pending?.number === undefined && slots.free < withoutNumber) {
    return [
      warning(
        'rotation-refused',
        `Version ${id} is AWSPENDING, and its rotation cannot finish: too few labels are free. End it, then make room.`,
        CLEAN_UP,
      ),
    ];
  }
  if (pending?.isNoKey === true || pending?.isCopy === true) {
    const what = pending.isNoKey === true ? 'its value is not a key' : 'its key is on the ring under another version';
    return [
      warning(
        'rotation-left-over',
        `Version ${id} is AWSPENDING, and ${what}: its rotation cannot finish. End it.`,
        CLEAN_UP,
      ),
    ];
  }
  const current = versions.find(({ state }) => state === 'current');
  if (rotation.pending === 'placeholder' && current?.isNoKey === true) {
    return [
      warning(
        'rotation-refused',
        `A rotation has made no key yet: version ${id} is AWSPENDING without a value, and the current version holds no key. ` +
          'End it.',
        CLEAN_UP,
      ),
    ];
  }
  if (rotation.pending === 'placeholder') {
    return [
      notice(
        'rotation-refused',
        `A rotation has begun and has not made a key yet: version ${id} is AWSPENDING without a value. It is ` +
          "either just starting or was refused (the function's log says why); the next rotation takes it up.",
        FOLLOW,
        CLEAN_UP,
      ),
    ];
  }
  return [
    notice(
      'rotation-under-way',
      `A rotation is under way: version ${id} is AWSPENDING. AWS retries it by itself; put, rollback and retire ` +
        'wait for it.',
      FOLLOW,
      CLEAN_UP,
    ),
  ];
}
