import type { Secret } from '../../../../src/local/service/state.ts';
import { followed, movesOf, ownersOf } from './move-monitor.ts';
import { checkComeback, checkNewNumber, checkRetirement, forgottenBy } from './retirement-monitor.ts';
import { everyLabel, isKey, numberOf, sorted, valueOf, Violation, withLabel } from '../seen-secret.ts';

/** What happened so far, as far as the invariants of docs/architecture.md concern the past. Plain, sorted data. */
export interface Memory {
  /** Every version that ever was `AWSCURRENT`, with its value: the application has encrypted under each. */
  readonly everCurrent: Readonly<Record<string, string>>;
  /** Versions that have left `AWSCURRENT` at least once. */
  readonly left: readonly string[];
  /** The version that each number names, or has named last. */
  readonly owner: Readonly<Record<string, string>>;
  /** Versions whose number is on another version now, with the same key. */
  readonly moved: Readonly<Record<string, string>>;
  /** Of these, the ones that `retire` has taken away and that no `restore` has brought back: no row needs them. */
  readonly retired: Readonly<Record<string, string>>;
  /** Numbers whose record of a retirement a `restore` has removed. */
  readonly forgotten: readonly string[];
  /** Versions that were `AWSCURRENT` at some moment of the last 24 hours: a process may still encrypt with them. */
  readonly recent: readonly string[];
}

/** Who caused a change of the state: neither of the two, where it was the service or someone by hand. */
export interface Cause {
  /** Set where a step of a rotation made the call: its token, and what had left `AWSCURRENT` before the step began. */
  readonly step?: { readonly token: string; readonly leftBefore: readonly string[] };
  /** Set where a command or an adoption made the call. */
  readonly command?: string;
}

/** What is known at the start: data was encrypted with every key that is, or was, in use. */
export function firstMemory(secret: Secret): Memory {
  const none = { everCurrent: {}, left: [], owner: {}, moved: {}, retired: {}, forgotten: [], recent: [] };
  const first = observe(none, undefined, secret, {});
  const left = everyLabel(secret)
    .filter(([, label]) => label === 'AWSPREVIOUS' || numberOf(label) !== undefined)
    .map(([versionId]) => versionId)
    .filter((versionId) => first.everCurrent[versionId] === undefined);
  const used = left.map((versionId) => [versionId, valueOf(secret, versionId) ?? 'no value'] as const);
  // Nothing was encrypted with a value that is no key.
  const keys = [...Object.entries(first.everCurrent), ...used].filter(([, value]) => isKey(value));
  return {
    ...first,
    everCurrent: sorted(Object.fromEntries(keys)),
    left: [...new Set(left)].sort(),
  };
}

/** Checks the invariants that hold in every state and at every change, and remembers. Throws `Violation`. */
export function observe(memory: Memory, before: Secret | undefined, after: Secret, cause: Cause): Memory {
  const currents = withLabel(after, 'AWSCURRENT');
  const hadValue = Object.keys(memory.everCurrent).length > 0;
  if (currents.length > 1 || (hadValue && currents.length === 0)) {
    throw new Violation(`invariant 5: ${currents.length} versions are AWSCURRENT`);
  }
  const owner = ownersOf(memory, before, after, cause.command);
  const moved = movesOf(memory, owner);
  const retired = checkNumbersLeft({ ...memory, moved }, owner, before, after, cause);
  const forgotten = forgottenBy(memory.forgotten, before, after, cause.command);
  for (const versionId of Object.keys(memory.everCurrent)) checkKept(retired, after, followed(moved, versionId));

  const current = currents[0];
  const former = before === undefined ? undefined : withLabel(before, 'AWSCURRENT')[0];
  if (current === undefined || current === former) return { ...memory, owner, moved, retired, forgotten };
  if (former !== undefined && cause.step !== undefined) checkPromotion(before, current, cause.step);
  if (cause.command !== undefined) checkMoveByCommand(before, after, current, cause.command);
  return {
    everCurrent: sorted({ ...memory.everCurrent, [current]: valueOf(after, current) ?? 'no value' }),
    left: former === undefined ? memory.left : [...new Set([...memory.left, former])].sort(),
    owner,
    moved,
    retired,
    forgotten,
    recent: [...new Set([...memory.recent, current])].sort(),
  };
}

/** More than 24 hours pass: every process has the key that is current now. */
export function aDayLater(memory: Memory, secret: Secret): Memory {
  return { ...memory, recent: withLabel(secret, 'AWSCURRENT') };
}

/**
 * What must hold once nothing moves any more: every ciphertext ever written opens with a key that readers find, those
 * aside that were under a key retired on purpose.
 */
export function checkEnd(memory: Memory, secret: Secret): void {
  const readable = new Set(
    Object.values(secret.versions)
      .filter(({ stages }) =>
        stages.some((label) => numberOf(label) !== undefined || /^AWS(CURRENT|PREVIOUS)$/.test(label)),
      )
      .map(({ value }) => (value?.kind === 'string' ? value.text : undefined)),
  );
  const retired = Object.values(memory.retired);
  for (const [versionId, key] of Object.entries(memory.everCurrent)) {
    if (!readable.has(key) && !retired.includes(followed(memory.moved, versionId)))
      throw new Violation(`the promise: what was encrypted with ${versionId} cannot be decrypted`);
  }
}

/** The key of a finished rotation is unlike every key that was current before it. */
export function checkFresh(memory: Memory, token: string): void {
  const key = memory.everCurrent[token];
  if (key === undefined) throw new Violation(`rotation ${token} finished, and its version never was AWSCURRENT`);
  for (const [versionId, other] of Object.entries(memory.everCurrent)) {
    if (versionId !== token && other === key)
      throw new Violation(`rotation ${token} made the key of ${versionId} again`);
  }
}

/** Invariant 1, and what a retirement is allowed. Returns the numbers that are retired now. */
function checkNumbersLeft(
  memory: Memory,
  owner: Memory['owner'],
  before: Secret | undefined,
  after: Secret,
  cause: Cause,
): Memory['retired'] {
  const retired: [string, string][] = [];
  const recent = memory.recent.map((versionId) => followed(memory.moved, versionId));
  for (const number of Object.keys(memory.owner)) {
    const versionId = owner[number] ?? '';
    const isThere = after.versions[versionId]?.stages.includes(`key-v${number}`) === true;
    const wasRetired = memory.retired[number] !== undefined;
    if (isThere && wasRetired) checkComeback(number, cause.command);
    if (!isThere && !wasRetired) checkRetirement(before, { number, versionId }, cause.command, { ...memory, recent });
    if (!isThere) retired.push([number, versionId]);
  }
  for (const [versionId, label] of everyLabel(after)) {
    const number = numberOf(label);
    if (number === undefined || memory.owner[number] !== undefined) continue;
    if (Object.values(memory.retired).includes(versionId)) checkNewNumber(before, { number, versionId }, cause.command);
  }
  return sorted(Object.fromEntries(retired));
}

/** Invariant 1. A version that no one numbered yet still has a label of AWS's own, and with it its value. */
function checkKept(retired: Memory['retired'], after: Secret, versionId: string): void {
  const stages = after.versions[versionId]?.stages ?? [];
  if (stages.length === 0 && !Object.values(retired).includes(versionId))
    throw new Violation(`invariant 1: ${versionId} was current and has no label left`);
}

function checkPromotion(before: Secret | undefined, current: string, step: NonNullable<Cause['step']>): void {
  const stages = before?.versions[current]?.stages ?? [];
  if (!stages.some((label) => numberOf(label) !== undefined)) {
    throw new Violation(`invariant 2: ${current} was made AWSCURRENT before it had a number`);
  }
  if (current !== step.token) throw new Violation(`invariant 8: the rotation ${step.token} promoted ${current}`);
  if (step.leftBefore.includes(current)) {
    throw new Violation(`a step promoted ${current} again, which had left AWSCURRENT before the step began`);
  }
}

/** Invariant 8, as far as it is about commands, and what `rollback` must not leave. */
function checkMoveByCommand(before: Secret | undefined, after: Secret, current: string, command: string): void {
  const stages = before?.versions[current]?.stages;
  const isPut = command.startsWith('put') && !command.includes('--not-current') && stages === undefined;
  const isRollback = command.startsWith('rollback') && stages?.includes('AWSPREVIOUS') === true;
  const isFirst =
    command.startsWith('restore-ring') && before !== undefined && withLabel(before, 'AWSCURRENT').length === 0;
  if (!isPut && !isRollback && !isFirst) throw new Violation(`invariant 8: ${command} made ${current} AWSCURRENT`);
  if (isRollback && withLabel(after, 'AWSPENDING').some((id) => withLabel(after, 'AWSPREVIOUS').includes(id))) {
    throw new Violation('rollback left AWSPENDING on the key that it left, so that the next rotation takes that up');
  }
}
