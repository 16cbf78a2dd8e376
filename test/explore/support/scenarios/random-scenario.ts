import type { Scenario } from './scenario.ts';
import { FOUR, KEPT, NUMBERED, ROLLED_BACK, THREE, UNNUMBERED, UNNUMBERED_ONE } from './scenario-kinds.ts';
import type { Operation } from '../world.ts';

/** Numbers from 0 to 1 that are the same for a seed on every run (a linear congruential generator). */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  // Neighbouring seeds begin alike.
  for (let skipped = 0; skipped < 3; skipped++) next();
  return next;
}

/** A seed of a text. */
export function seedOf(text: string): number {
  return Buffer.from(text).reduce((sum, byte) => (sum * 31 + byte) >>> 0, 1);
}

const RINGS: readonly Scenario['ring'][] = [
  UNNUMBERED_ONE,
  UNNUMBERED,
  NUMBERED,
  THREE,
  FOUR,
  ROLLED_BACK,
  { ...THREE, P: 'AWSPENDING' },
];

const COMMANDS: readonly Operation[] = [
  'adopt',
  'put P',
  'put R',
  'put --not-current Q',
  'put --not-current A',
  'rollback',
  'rollback --undo',
  'retire 1',
  'retire 2',
  'retire 1 2',
  'retire --force 1',
  'restore 1',
  'restore 2',
  'adopt --version-id A',
  'rotate',
  'rotate --clean-up',
  'maintain',
];

/** One operator with up to four commands, rotations beside them in half of the cases, and old answers throughout. */
export function randomScenario(random: () => number): Scenario {
  const upTo = (most: number): number => Math.floor(random() * (most + 1));
  const oneOf = <T>(all: readonly [T, ...T[]] | readonly T[]): T => all[upTo(all.length - 1)] as T;
  const isAlone = random() < 0.5;
  const ring = oneOf(RINGS);
  // A put by hand past a key without a number is outside the promise.
  const isNumbered = [NUMBERED, THREE, FOUR].some((numbered) => numbered === ring);
  const commands = isNumbered ? [...COMMANDS, 'put by hand' as const] : COMMANDS;
  const operations = Array.from({ length: 1 + upTo(3) }, () => oneOf(commands));
  return {
    name: `random: ${operations.join(', ')}`,
    ring,
    attempts: 0,
    rotations: isAlone ? 0 : 1 + upTo(1),
    faults: isAlone ? 0 : upTo(1),
    retries: 2,
    repeats: 1,
    days: upTo(2),
    operators: [operations],
    stale: { answers: 1 + upTo(7), writesOld: 1 + upTo(3) },
    behaviour: KEPT,
  };
}
