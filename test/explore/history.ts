import { next, type Next, type Program, type Reply } from './program.ts';

/** The replies that a program has had, as a node of a tree: equal histories are the same object, so they compare by id. */
export interface History {
  readonly id: number;
  readonly replies: readonly Reply[];
  readonly children: Map<string, History>;
}

/** Remembers every history, and what each program does after it, so that no prefix of a run is executed twice. */
export class Histories {
  #count = 0;
  readonly empty: History = this.#node([]);
  readonly #next = new Map<string, Next>();

  extend(history: History, reply: Reply): History {
    const spelled = JSON.stringify(reply);
    let child = history.children.get(spelled);
    if (child === undefined) {
      child = this.#node([...history.replies, reply]);
      history.children.set(spelled, child);
    }
    return child;
  }

  /** `name` tells the program from others; `seed` is the program's source of keys. */
  async next(name: string, program: Program, history: History, seed: number): Promise<Next> {
    const key = `${name} ${seed} ${history.id}`;
    let known = this.#next.get(key);
    if (known === undefined) {
      known = await next(program, history.replies, seed);
      this.#next.set(key, known);
    }
    return known;
  }

  #node(replies: readonly Reply[]): History {
    return { id: this.#count++, replies, children: new Map() };
  }
}
