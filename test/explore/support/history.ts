import { next, type Next, type Program, type Reply, type Setting } from './program.ts';

/** The replies that a program has had, as a node of a tree: equal histories are the same object, so they compare by id. */
export interface History {
  readonly id: number;
  readonly replies: readonly Reply[];
  readonly children: Map<string, History>;
  /** The same by the reply itself, which is told apart faster. */
  readonly childOf: Map<Reply, History>;
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

  /** `name` tells the program from others. */
  async next(name: string, program: Program, history: History, setting: Setting): Promise<Next> {
    const key = `${name} ${setting.seed} ${setting.day} ${history.id}`;
    let known = this.#next.get(key);
    if (known === undefined) {
      known = await next(program, history.replies, setting);
      this.#next.set(key, known);
    }
    return known;
  }

  #node(replies: readonly Reply[]): History {
    return { id: this.#count++, replies, children: new Map(), childOf: new Map() };
  }
}
