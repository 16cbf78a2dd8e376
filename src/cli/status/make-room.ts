import { foreignLabels, retirableNumbers, ringLabels, type VersionStages } from '../../format/ring-labels.ts';
import { step, type NextStep } from '../suggested-commands.ts';
import { movingVersion } from '../move/interrupted-move.ts';
import { hasNoPlaceToMove, placesLeft, planAdoption } from '../ring/adoption.ts';
import { holderOf, MOVING_LABEL, RESTORING_LABEL, withoutLabels } from '../ring/labels.ts';
import { attaching, detaching } from './label-call.ts';
import { isIncoming, type RingReport, type VersionReport } from './ring-report.ts';

const ADOPT = step('adopt');

export function isUnnumberedKey({ state, number, isNoKey }: VersionReport): boolean {
  return (state === 'current' || state === 'previous') && number === undefined && isNoKey !== true;
}

function needsNumber(version: VersionReport): boolean {
  return isUnnumberedKey(version) || (isIncoming(version) && version.number === undefined && version.isNoKey !== true);
}

/** Or what makes room for this version first. */
export function howToNumber({ versionId, state }: VersionReport, report: RingReport): readonly NextStep[] {
  if (!waitingIn(report).includes(versionId)) return [ADOPT];
  if (state !== 'current') return [...howToMakeRoom(report).next, ADOPT];
  // No key can be retired while rows have no number, nor rows be re-encrypted while the current key is unnumbered.
  const removal = removalOf(report) ?? removalOfPrevious(report);
  if (removal !== undefined) return [removal, ADOPT];
  const isPreviousNumbered = report.versions.some((one) => one.state === 'previous' && one.number !== undefined);
  return [...(isPreviousNumbered ? [step('rollback')] : howToMakeRoom(report).next), ADOPT];
}

/** For a command that needs room for each key in use without a number. */
function howToNumberAll(report: RingReport): readonly NextStep[] {
  const unnumbered = report.versions.filter(isUnnumberedKey);
  if (unnumbered.length <= report.slots.free) return [];
  const waiting = waitingIn(report);
  const first = unnumbered.find(({ versionId }) => !waiting.includes(versionId)) ?? unnumbered[0];
  return first === undefined ? [] : howToNumber(first, report);
}

function waitingIn(report: RingReport): readonly string[] {
  const keys = report.versions.filter(needsNumber).map(({ versionId }) => versionId);
  return planAdoption(ringLabels(stagesOf(report)), new Set(keys)).waiting;
}

/** A key in place of a current value that is not one. Without room for another one, it is the newest of the ring. */
export function howToReplace(versionId: string, report: RingReport): NextStep {
  const { name, slots, versions } = report;
  const newest = versions.findLast(({ number, isNoKey }) => number !== undefined && isNoKey !== true);
  if (slots.free > 0 || newest === undefined) return step('put');
  // The version that is left gets AWSPREVIOUS.
  if (!hasPlace(report) && versions.every(({ state }) => state !== 'previous'))
    return versions.some(isIncoming) ? ADOPT : (removalOf(report) ?? step('doctor'));
  return attaching(name, 'AWSCURRENT', newest.versionId, versionId);
}

/** This command, or what makes room for so many labels first. */
export function whereRoom(report: RingReport, needed: number, command: NextStep): readonly NextStep[] {
  return report.slots.free >= needed ? [command] : [...howToMakeRoom(report).next, command];
}

/** A command that finishes a move, with what has to come first. Adoption may have given its place to a key. */
export function howToMove(report: RingReport, move: NextStep): readonly NextStep[] {
  const ring = ringLabels(stagesOf(report));
  if (!hasNoPlaceToMove(ring)) return [...howToNumberAll(report), move];
  return movingVersion(ring) === undefined ? [...howToMakeRoom(report).next, move] : [ADOPT, move];
}

/** `restore-ring`, which gives at least the number that its version still lacks, with what has to come first. */
export function howToRestoreRing(report: RingReport, restoreRing: NextStep): readonly NextStep[] {
  const ring = ringLabels(stagesOf(report));
  const restoring = holderOf(ring.stages, RESTORING_LABEL) ?? '';
  const needed = ring.numberOf.has(restoring) ? 0 : 1 + report.versions.filter(isUnnumberedKey).length;
  const room = withoutLabels(ring, [RESTORING_LABEL]).freeSlots - (ring.pending === undefined ? 0 : 1);
  if (needed <= room || needed === 0) return [restoreRing];
  const first = howToNumberAll(report);
  return [...(first.length > 0 ? first : howToMakeRoom(report).next), restoreRing];
}

export function canRetire(report: RingReport): boolean {
  return retirableNumbers(ringLabels(stagesOf(report))).length > 0;
}

/** If no key can be retired, labels that are not the ring's have to go. */
export function howToMakeRoom(report: RingReport): { advice: string; next: readonly NextStep[] } {
  const [oldest] = retirableNumbers(ringLabels(stagesOf(report)));
  if (oldest !== undefined) {
    // Whether rows are left, only retire knows: to re-encrypt again and again would free no label.
    const next = [step('retire', String(oldest)), step('reencrypt')];
    return {
      advice:
        'Retire the oldest keys. If rows still need one, retire says so; then run reencrypt, and retire it a day later.',
      next,
    };
  }
  const removal = removalOf(report);
  if (removal === undefined) return { advice: 'No key can be retired yet: each is in use.', next: [step('doctor')] };
  const others = othersOn(stagesOf(report)).length;
  return {
    advice: `No key can be retired yet. ${others} ${others === 1 ? 'label is' : 'labels are'} not the ring's: remove those that nothing needs.`,
    next: [removal],
  };
}

/** For one label, be it in a place that is kept for those of AWS. */
export function hasPlace(report: RingReport): boolean {
  return placesLeft(ringLabels(stagesOf(report))) >= 1;
}

/** Takes away a label that is not the ring's: first one that is not its version's last. */
export function removalOf(report: RingReport): NextStep | undefined {
  const stages = stagesOf(report);
  const others = othersOn(stages);
  const first = others.find(({ versionId }) => (stages[versionId]?.length ?? 0) > 1) ?? others[0];
  if (first === undefined) return undefined;
  return detaching(report.name, first.label, first.versionId);
}

/** AWSPREVIOUS on a value that is no key keeps nothing. */
function removalOfPrevious({ name, versions }: RingReport): NextStep | undefined {
  const previous = versions.find(({ state, isNoKey }) => state === 'previous' && isNoKey === true);
  return previous && detaching(name, 'AWSPREVIOUS', previous.versionId);
}

function othersOn(stages: VersionStages): ReturnType<typeof foreignLabels> {
  return foreignLabels(stages).filter(({ label }) => label !== MOVING_LABEL && label !== RESTORING_LABEL);
}

function stagesOf({ versions }: RingReport): VersionStages {
  return Object.fromEntries(versions.map(({ versionId, labels }) => [versionId, labels]));
}
