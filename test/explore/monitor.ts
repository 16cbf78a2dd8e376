import type { Secret } from '../../src/local/state.ts';

/** What happened so far, as far as the invariants of design section 3 speak of the past. Plain, sorted data. */
export interface Memory {
  /** Every version that ever was `AWSCURRENT`, with its value: the application has encrypted under each. */
  readonly everCurrent: Readonly<Record<string, string>>;
  /** Versions that have left `AWSCURRENT` at least once. */
  readonly left: readonly string[];
  /** The version that each number was first given to. */
  readonly owner: Readonly<Record<string, string>>;
}

/** Who caused a change of the state. */
export interface Cause {
  /** Set where a step of a rotation made the call: its token, and what had left `AWSCURRENT` before the step began. */
  readonly step?: { readonly token: string; readonly leftBefore: readonly string[] };
}

export class Violation extends Error {}

export function firstMemory(secret: Secret): Memory {
  return observe({ everCurrent: {}, left: [], owner: {} }, undefined, secret, {});
}

/** Checks the invariants that hold in every state and at every change, and remembers. Throws `Violation`. */
export function observe(memory: Memory, before: Secret | undefined, after: Secret, cause: Cause): Memory {
  const currents = withLabel(after, 'AWSCURRENT');
  const hadValue = Object.keys(memory.everCurrent).length > 0;
  if (currents.length > 1 || (hadValue && currents.length === 0)) {
    throw new Violation(`invariant 5: ${currents.length} versions are AWSCURRENT`);
  }
  const owner = checkNumbers(memory, after);
  for (const versionId of Object.keys(memory.everCurrent)) checkKept(memory, after, versionId);

  const current = currents[0];
  const former = before === undefined ? undefined : withLabel(before, 'AWSCURRENT')[0];
  if (current === undefined || current === former) return { ...memory, owner };
  if (former !== undefined && cause.step !== undefined) checkPromotion(before, current, cause.step);
  return {
    everCurrent: sorted({ ...memory.everCurrent, [current]: valueOf(after, current) ?? 'no value' }),
    left: former === undefined ? memory.left : [...new Set([...memory.left, former])].sort(),
    owner,
  };
}

/** What must hold once nothing moves any more: every ciphertext ever written opens with a key that readers find. */
export function checkEnd(memory: Memory, secret: Secret): void {
  const readable = new Set(
    Object.values(secret.versions)
      .filter(({ stages }) =>
        stages.some((label) => numberOf(label) !== undefined || /^AWS(CURRENT|PREVIOUS)$/.test(label)),
      )
      .map(({ value }) => (value?.kind === 'string' ? value.text : undefined)),
  );
  for (const [versionId, key] of Object.entries(memory.everCurrent)) {
    if (!readable.has(key))
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

function checkNumbers(memory: Memory, after: Secret): Memory['owner'] {
  const owner = { ...memory.owner };
  for (const [versionId, { stages }] of Object.entries(after.versions)) {
    for (const label of stages) {
      const number = numberOf(label);
      if (number === undefined) continue;
      owner[number] ??= versionId;
      if (owner[number] !== versionId) {
        throw new Violation(`invariant 3: number ${number} named ${owner[number] ?? ''} and now names ${versionId}`);
      }
    }
  }
  return sorted(owner);
}

/** Invariant 1. A version that nobody numbered yet still has a label of AWS's own, and with it its value. */
function checkKept(memory: Memory, after: Secret, versionId: string): void {
  const stages = after.versions[versionId]?.stages ?? [];
  const numbers = Object.entries(memory.owner).filter(([, owner]) => owner === versionId);
  for (const [number] of numbers) {
    if (!stages.includes(`key-v${number}`)) throw new Violation(`invariant 1: ${versionId} lost its number ${number}`);
  }
  if (stages.length === 0) throw new Violation(`invariant 1: ${versionId} was current and has no label left`);
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

function withLabel(secret: Secret, label: string): string[] {
  return Object.entries(secret.versions).flatMap(([id, { stages }]) => (stages.includes(label) ? [id] : []));
}

function valueOf(secret: Secret, versionId: string): string | undefined {
  const value = secret.versions[versionId]?.value;
  return value?.kind === 'string' ? value.text : undefined;
}

function numberOf(label: string): string | undefined {
  return /^key-v([0-9]+)$/.exec(label)?.[1];
}

function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
