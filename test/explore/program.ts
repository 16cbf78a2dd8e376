import type { SecretsManager, StepDependencies } from '../../src/steps/dependencies.ts';

/** One call of the service that a program is about to make. */
export interface Call {
  readonly operation: keyof SecretsManager;
  readonly input: Readonly<Record<string, unknown>>;
}

export type Reply =
  | { readonly output: Readonly<Record<string, unknown>> }
  | { readonly error: { readonly name: string; readonly message: string } };

/** Anything that works by calls of the service alone: a step, an adoption, an operator's command. */
export type Program = (deps: StepDependencies) => Promise<void>;

/** What a program does after the replies so far. */
export type Next =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly code: string };

/** The fixed moment at which everything in an exploration happens; time has no part in the protocol. */
export const NOW = Date.UTC(2026, 0, 1);

/** Answers one call of a program; the number of calls before it tells its keys apart. */
export type Answer = (call: Call, before: number) => Promise<Readonly<Record<string, unknown>>>;

/**
 * Runs a program from its start on the replies so far, up to the call that has no reply yet. A program takes nothing
 * from outside but replies and `seed`, so the replies are its whole state: it can be stopped, copied and continued
 * along several futures, which a promise cannot.
 */
export async function next(program: Program, replies: readonly Reply[], seed: number): Promise<Next> {
  return new Promise((resolve) => {
    const answer: Answer = (call, before) => {
      const reply = replies[before];
      if (reply === undefined) {
        resolve({ kind: 'call', call });
        return new Promise(() => undefined);
      }
      if ('output' in reply) return Promise.resolve(reply.output);
      return Promise.reject(Object.assign(new Error(reply.error.message), { name: reply.error.name }));
    };
    program(programDependencies(answer, seed)).then(
      () => {
        resolve({ kind: 'done' });
      },
      (error: unknown) => {
        resolve({
          kind: 'failed',
          code: error instanceof Error && 'code' in error ? String(error.code) : 'UNEXPECTED',
        });
      },
    );
  });
}

/** A world for one program in which nothing happens by chance. */
export function programDependencies(answer: Answer, seed: number): StepDependencies {
  let calls = 0;
  let slept = 0;
  const through = (operation: keyof SecretsManager) => (input: object) =>
    answer({ operation, input: { ...input } }, calls++);
  return {
    secrets: {
      describeSecret: through('describeSecret'),
      getSecretValue: through('getSecretValue'),
      putSecretValue: through('putSecretValue'),
      updateSecretVersionStage: through('updateSecretVersionStage'),
    },
    log: () => undefined,
    randomKey: () => new Uint8Array(32).fill(calls).fill(seed, 0, 16),
    now: () => new Date(NOW),
    sleep: (milliseconds) => {
      slept += milliseconds;
      return Promise.resolve();
    },
    // Enough for two readings of a version that is not there; more would only add states that differ in nothing.
    remainingTime: () => 2150 - slept,
    proven: new Set(),
  };
}
