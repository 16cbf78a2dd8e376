import { next, type Next, type Program, type Reply, type Setting } from './program.ts';

/** The replies that a program has had, as a node of a tree: equal histories are the same object, so they compare by id. */
export interface History {
  readonly id: number;
  readonly replies: readonly Reply[];
  readonly children: Map<string, History>;
  /** The children by the reply itself, which is faster to compare. */
  readonly childOf: Map<Reply, History>;
}

/**
 * Thrown where a program must first be run: it runs, and once `learned` is settled the same question has an answer. No
 * `Error`, which would take longer to trace its stack than the program runs.
 */
class Unknown {
  readonly learned: Promise<void>;

  constructor(learned: Promise<void>) {
    this.learned = learned;
  }
}

/**
 * What `look` finds, which may ask `Histories` about programs that have not run yet: it looks again after each such run.
 * At once where nothing has to run, as for most moves of an exploration: a promise for each would take longer than they.
 */
export function settled<T>(look: () => T): T | Promise<T> {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof Unknown)) throw error;
    return error.learned.then(() => settled(look));
  }
}

/** Remembers every history, and what each program does after it, so that no prefix of a run is executed twice. */
export class Histories {
  #count = 0;
  readonly empty: History = this.#node([]);
  readonly #next = new Map<string, Next>();

  extend(history: History, reply: Reply): History {
    const known = history.childOf.get(reply);
    if (known !== undefined) return known;
    const spelled = JSON.stringify(reply);
    const child = history.children.get(spelled) ?? this.#node([...history.replies, reply]);
    history.children.set(spelled, child);
    history.childOf.set(reply, child);
    return child;
  }

  /** What a program does next; `name` tells it from others. To be called within `settled`. */
  next(name: string, program: Program, history: History, setting: Setting): Next {
    const key = `${name} ${setting.seed} ${setting.day} ${history.id}`;
    const known = this.#next.get(key);
    if (known !== undefined) return known;
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- never leaves `settled`
    throw new Unknown(
      next(program, history.replies, setting).then((learned) => {
        this.#next.set(key, learned);
      }),
    );
  }

  #node(replies: readonly Reply[]): History {
    return { id: this.#count++, replies, children: new Map(), childOf: new Map() };
  }
}
