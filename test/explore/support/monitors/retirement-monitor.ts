import type { Secret } from '../../../../src/local/service/state.ts';
import { everyLabel, numberOf, Violation } from '../seen-secret.ts';

const AWS_LABEL = /^AWS(CURRENT|PREVIOUS|PENDING)$/;

interface NumberedVersion {
  readonly number: string;
  readonly versionId: string;
}

/** What a retirement is judged by. */
interface Past {
  readonly forgotten: readonly string[];
  readonly recent: readonly string[];
}

/**
 * A number is gone. Only `retire`, or a `maintain` that retires, may have taken it, of a key that invariant 4 allows, after writing its record, and not
 * while a process may still encrypt with that key unless it was forced. Throws `Violation`.
 */
export function checkRetirement(
  before: Secret | undefined,
  key: NumberedVersion,
  command: string | undefined,
  { forgotten, recent }: Past,
): void {
  const { number, versionId } = key;
  if (before === undefined || command === undefined || !/^(retire|maintain)/.test(command)) {
    throw new Violation(`invariant 1: ${versionId} lost its number ${number}`);
  }
  const stages = before.versions[versionId]?.stages ?? [];
  if (stages.some((label) => AWS_LABEL.test(label))) {
    throw new Violation(`invariant 4: key ${number} was retired while it was ${stages.join(' ')}`);
  }
  const numbers = everyLabel(before).map(([, label]) => Number(numberOf(label) ?? 0));
  if (Number(number) === Math.max(...numbers)) {
    throw new Violation(`invariant 4: key ${number} was retired, the highest number on the ring`);
  }
  // Anyone who restores a key that someone retires at the same moment may remove the record in between. Nothing is lost:
  // `status` lists the version, and `adopt --version-id` rescues it.
  if (!isRecorded(before, key) && !forgotten.includes(number)) {
    throw new Violation(`key ${number} lost its label before its retirement was recorded`);
  }
  if (recent.includes(versionId) && !command.includes('--force')) {
    throw new Violation(`key ${number} was retired while a process may still encrypt with it`);
  }
}

/** A number that was retired is on its version again, which only `restore` may do. Throws `Violation`. */
export function checkComeback(number: string, command: string | undefined): void {
  if (command?.startsWith('restore ') === true || command?.startsWith('restore-ring --retired ') === true) return;
  throw new Violation(`invariant 4: key ${number}, which was retired, came back by ${command ?? 'a step'}`);
}

/**
 * A retired version got another number. An operator may rescue one whose record a `restore` has removed, as a version
 * without labels that no one knows anything of; nothing else may. Throws `Violation`.
 */
export function checkNewNumber(before: Secret | undefined, key: NumberedVersion, command: string | undefined): void {
  const isKnown = before?.tags.some(({ Value }) => Value.startsWith(`${key.versionId} `)) === true;
  if (!isKnown && command?.startsWith('adopt --version-id') === true) return;
  throw new Violation(`invariant 4: ${key.versionId}, which was retired, came back as key ${key.number}`);
}

/** The numbers whose record a `restore` has removed, after a change. */
export function forgottenBy(
  forgotten: readonly string[],
  before: Secret | undefined,
  after: Secret,
  command: string | undefined,
): readonly string[] {
  if (before === undefined || before.tags === after.tags) return forgotten;
  const was = recordedNumbers(before);
  const is = recordedNumbers(after);
  const gone = command?.startsWith('restore') === true ? was.filter((number) => !is.includes(number)) : [];
  return [...new Set([...forgotten, ...gone])].filter((number) => !is.includes(number)).sort();
}

const RECORD = 'pazpaz:retired:key-v';

function recordedNumbers({ tags }: Secret): readonly string[] {
  return tags.flatMap(({ Key }) => (Key.startsWith(RECORD) ? [Key.slice(RECORD.length)] : []));
}

function isRecorded(secret: Secret, { number, versionId }: NumberedVersion): boolean {
  const record = secret.tags.find(({ Key }) => Key === `${RECORD}${number}`);
  return record?.Value.startsWith(`${versionId} `) === true;
}
