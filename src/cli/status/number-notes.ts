import { MAX_KEY_NUMBER, numberOfLabel } from '../../format/key-number.ts';
import { step, type NextStep } from '../suggested-commands.ts';
import { attaching, detaching } from './label-call.ts';
import { howToMakeRoom, hasPlace, removalOf } from './make-room.ts';
import { warning, type Note } from './note.ts';
import type { RingReport, VersionReport } from './ring-report.ts';

/** Numbers that people have attached, and with which every rotation fails. */
export function numberNotes(report: RingReport): readonly Note[] {
  return report.versions.flatMap((version) => [
    ...(version.isNoKey === true ? onNoKey(report, version) : []),
    ...atLimit(report, version),
  ]);
}

/** Without the label, the version is treated as any other value that is no key. */
function onNoKey({ name }: RingReport, { versionId, labels }: VersionReport): readonly Note[] {
  const numbers = labels.filter((label) => numberOfLabel(label) !== undefined);
  if (numbers.length === 0) return [];
  return [
    warning(
      'number-on-no-key',
      `Version ${versionId} has ${numbers.join(', ')}, and its value is not a key, so it never encrypted anything, and ` +
        `every rotation fails. Take ${numbers.length === 1 ? 'the label' : 'the labels'} off.`,
      ...numbers.map((label) => detaching(name, label, versionId)),
    ),
  ];
}

/** A key without another label gets its next number first, so that AWS cannot delete it meanwhile. */
function atLimit(report: RingReport, version: VersionReport): readonly Note[] {
  const { versionId, labels, isNoKey } = version;
  const last = labels.find((label) => numberOfLabel(label) === MAX_KEY_NUMBER);
  if (last === undefined || isNoKey === true) return [];
  const isOnly = labels.length === 1;
  return [
    warning(
      'number-at-limit',
      `Version ${versionId} has ${last}, which is the last number that there is, so no key can get the next one, and ` +
        `every rotation fails. ${isOnly ? 'Give the key its next number, and then take' : 'Take'} the label off.`,
      ...(isOnly ? howToKeep(report, versionId) : []),
      detaching(report.name, last, versionId),
    ),
  ];
}

function howToKeep(report: RingReport, versionId: string): readonly NextStep[] {
  const { name, versions } = report;
  const numbers = versions.flatMap(({ labels }) => labels.flatMap((label) => numberOfLabel(label) ?? []));
  const next = Math.max(0, ...numbers.filter((number) => number < MAX_KEY_NUMBER)) + 1;
  return [...(hasPlace(report) ? [] : howToMakePlace(report)), attaching(name, `key-v${next}`, versionId)];
}

function howToMakePlace(report: RingReport): readonly NextStep[] {
  const removal = removalOf(report);
  if (removal !== undefined) return [removal];
  const hasPending = report.versions.some(({ labels }) => labels.includes('AWSPENDING'));
  return hasPending ? [step('rotate', '--clean-up')] : howToMakeRoom(report).next;
}
