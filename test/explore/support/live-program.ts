import assert from 'node:assert/strict';
import type { OperatorSecrets } from '../../../src/cli/aws/operator.ts';
import type { Fate } from './moves.ts';
import { programDependencies, type Call, type Output, type Program, type Setting } from './program.ts';
import { canonical } from './service-calls.ts';

interface Waiting {
  readonly call: Call;
  readonly answer: (output: Output | Promise<Output>) => void;
}

/** A program that really runs, and waits before each of its calls until the schedule lets it through. */
export class LiveProgram {
  readonly #queue: Waiting[] = [];
  #arrived: (() => void) | undefined;

  constructor(setting: Setting, program: Program) {
    const wait = (call: Call) =>
      new Promise<Output>((resolve) => {
        this.#queue.push({ call, answer: resolve });
        this.#arrived?.();
      });
    // How a program ends is seen by the calls that it makes or does not make, and by the state that it leaves.
    program(programDependencies(wait, setting)).catch(() => undefined);
  }

  /** Calls that wait to be let through: none at the end of a schedule, for then every program has ended or was killed. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Lets the next call through, which must be `expected`, with the fate it had there. */
  async let(expected: Call, fate: Fate, secrets: OperatorSecrets): Promise<void> {
    const { call, answer } = await this.#next();
    assert.deepEqual(call, expected, 'the program makes another call than it was explored with');
    if (fate === 'killed before') return;
    const send = (): Promise<Output> => answerOf(secrets[call.operation](call.input as never));
    if (fate === 'repeated') await send().catch(() => undefined);
    const outcome = send();
    await outcome.catch(() => undefined);
    if (fate !== 'killed after') answer(outcome);
  }

  async #next(): Promise<Waiting> {
    for (;;) {
      const waiting = this.#queue.shift();
      if (waiting !== undefined) return waiting;
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
  }
}

/** What the SDK gives, in the order in which it was explored. */
async function answerOf(answer: Promise<unknown>): Promise<Output> {
  const output = await answer;
  return typeof output === 'object' && output !== null ? canonical({ ...output }) : {};
}
