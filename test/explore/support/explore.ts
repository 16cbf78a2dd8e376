import { nameOfActor, type Move, type Moves } from './moves.ts';
import { Violation } from './seen-secret.ts';
import { WorldNames, type World } from './world.ts';

export interface Exploration {
  /** Different states that were reached. */
  readonly states: number;
  /** Ways from the start to an end: the schedules that these states stand for. */
  readonly schedules: bigint;
  /** States in which nothing can happen any more. */
  readonly ends: number;
}

/** A schedule that breaks an invariant, move by move. */
class BrokenSchedule extends Error {
  constructor(violation: Violation, path: readonly Move[]) {
    super(`${violation.message}\n${path.map((move) => `  ${describeMove(move)}`).join('\n')}`);
  }
}

/** A state on the way from the start, and how far it was followed. */
interface Visit {
  readonly name: string;
  readonly world: World;
  readonly possible: readonly Move[];
  /** Moves that were made from here: the last one leads on. */
  made: number;
  schedules: bigint;
}

/**
 * Visits every state that can be reached from `start`, each once, and checks the invariants in each and at each
 * change, and `checkEnd` where nothing can happen any more. Throws `BrokenSchedule` with the first schedule that breaks
 * one.
 */
export async function explore(
  moves: Moves,
  start: World,
  checkEnd: (world: World) => void | Promise<void>,
): Promise<Exploration> {
  const names = new WorldNames();
  const schedulesFrom = new Map<string, bigint>();
  let ends = 0;

  const arrival = (world: World, name = names.nameOf(world)): Visit => {
    return { name, world, possible: moves.possible(world), made: 0, schedules: 0n };
  };
  const path = [arrival(start)];
  let schedules = 0n;
  try {
    for (let visit = path.at(-1); visit !== undefined; visit = path.at(-1)) {
      const move = visit.possible[visit.made];
      if (move !== undefined) {
        visit.made++;
        const after = moves.after(visit.world, move);
        const world = after instanceof Promise ? await after : after;
        const name = names.nameOf(world);
        const known = schedulesFrom.get(name);
        if (known === undefined) path.push(arrival(world, name));
        else visit.schedules += known;
        continue;
      }
      if (visit.possible.length === 0) {
        await checkEnd(visit.world);
        ends++;
        visit.schedules = 1n;
      }
      schedules = visit.schedules;
      schedulesFrom.set(visit.name, schedules);
      path.pop();
      const before = path.at(-1);
      if (before !== undefined) before.schedules += schedules;
    }
    return { states: schedulesFrom.size, schedules, ends };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    throw new BrokenSchedule(
      error,
      path.flatMap(({ possible, made }) => possible[made - 1] ?? []),
    );
  }
}

function describeMove(move: Move): string {
  if (move.kind !== 'call') return move.kind === 'operation' ? `begins: ${move.operation}` : move.kind;
  const { actor, fate, writesOld = 0 } = move;
  const age = writesOld === 0 ? '' : `, ${writesOld} writes old`;
  const { VersionStage, VersionStages, MoveToVersionId, VersionId, RemoveFromVersionId } = actor.call.input;
  const labels: readonly unknown[] = Array.isArray(VersionStages) ? VersionStages : [VersionStage];
  const what = [...labels, MoveToVersionId ?? VersionId ?? RemoveFromVersionId].filter(
    (part) => typeof part === 'string',
  );
  return `${nameOfActor(actor)}: ${[actor.call.operation, ...what].join(' ')} (${fate}${age})`;
}

/**
 * One schedule from `start` to an end, each move drawn by `random` (0 to 1, 1 excluded). Throws `BrokenSchedule` as
 * `explore` does.
 */
export async function randomSchedule(
  moves: Moves,
  start: World,
  random: () => number,
  checkEnd: (world: World) => void | Promise<void> = () => undefined,
) {
  const schedule: { readonly world: World; readonly move: Move }[] = [];
  let world = start;
  try {
    for (;;) {
      const possible = moves.possible(world);
      const move = possible[Math.floor(random() * possible.length)];
      if (move === undefined) {
        await checkEnd(world);
        return { schedule, end: world };
      }
      schedule.push({ world, move });
      world = await moves.after(world, move);
    }
  } catch (error) {
    if (error instanceof Violation)
      throw new BrokenSchedule(
        error,
        schedule.map(({ move }) => move),
      );
    throw error;
  }
}
