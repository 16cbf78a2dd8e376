import type { CommandDependencies, OperatorSecrets } from '../../../src/cli/aws/operator.ts';

/** One call of the service that a program is about to make. */
export interface Call {
  readonly operation: keyof OperatorSecrets;
  readonly input: Readonly<Record<string, unknown>>;
  /** The program has waited so long since its last write, or its start, that no answer can be from before that. */
  readonly hasWaited: boolean;
}

export type Output = Readonly<Record<string, unknown>>;

export type Reply =
  { readonly output: Output } | { readonly error: { readonly name: string; readonly message: string } };

/** Anything that works by calls of the service alone: a step, an adoption, an operator's command. */
export type Program = (deps: CommandDependencies) => Promise<unknown>;

/** What a program does after the replies so far. */
export type Next =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed'; code: string };

/** Everything that tells one run of a program from another, its replies aside. */
export interface Setting {
  /** Source of its keys and VersionIds. */
  readonly seed: number;
  /** The day on which it begins; its clock stays there. */
  readonly day: number;
  /** Milliseconds that it may sleep. */
  readonly timeLimit: number;
}

/** Enough for two looks at what does not show; more would only add states that differ in nothing. */
export const TIME_OF_STEP = 2150;

/** Enough to wait until each write must show. */
export const TIME_OF_COMMAND = 600_000;

export const SECRET_ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:pazpaz/encryption-key-v1-AbCdEf';

/** The moment of all that happens on a day, the secret's making on day 0. A little more than 24 hours lie between two. */
export function momentOf(day: number): number {
  return Date.UTC(2026, 0, 1) + day * DAY;
}

export const DAY = 25 * 3_600_000;

/** Milliseconds after which every description shows a write (aws-sdk-js-v3 issue 7701 tells of a few hundred). */
const LONGEST_DELAY = 6000;

const READING: ReadonlySet<Call['operation']> = new Set([
  'describeSecret',
  'getSecretValue',
  'listSecretVersionIds',
  'listSecrets',
]);

/** What reads has no effect that an answer could be lost after. */
export function isReading({ operation }: Call): boolean {
  return READING.has(operation);
}

/** Answers one call of a program; the number of calls before it tells its keys apart. */
export type Answer = (call: Call, before: number) => Promise<Output>;

/**
 * Runs a program from its start on the replies so far, up to the call that has no reply yet. A program takes nothing
 * from outside but replies and its setting, so the replies are its whole state: it can be stopped, copied and continued
 * along several futures, which a promise cannot.
 */
export async function next(program: Program, replies: readonly Reply[], setting: Setting): Promise<Next> {
  return new Promise((resolve) => {
    const answer: Answer = (call, before) => {
      const reply = replies[before];
      if (reply === undefined) {
        resolve({ kind: 'call', call });
        return new Promise(() => undefined);
      }
      return answered(reply);
    };
    program(programDependencies(answer, setting)).then(
      (result) => {
        resolve({ kind: 'done', result });
      },
      (error: unknown) => {
        resolve({ kind: 'failed', code: codeOf(error) });
      },
    );
  });
}

/** A reply as the program gets it. */
export function answered(reply: Reply): Promise<Output> {
  if ('output' in reply) return Promise.resolve(reply.output);
  return Promise.reject(Object.assign(new Error(reply.error.message), { name: reply.error.name }));
}

/** The code of an error of ours; `UNEXPECTED` for any other. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'UNEXPECTED';
}

/** A world for one program in which nothing happens by chance, and every question is answered with yes. */
export function programDependencies(answer: Answer, { seed, day, timeLimit }: Setting): CommandDependencies {
  let calls = 0;
  let slept = 0;
  let lastWrite = 0;
  const through = (operation: keyof OperatorSecrets) => (input: object) => {
    const call = { operation, input: { ...input }, hasWaited: slept - lastWrite >= LONGEST_DELAY };
    if (!isReading(call)) lastWrite = slept;
    return answer(call, calls++);
  };
  return {
    secrets: {
      describeSecret: through('describeSecret'),
      getSecretValue: through('getSecretValue'),
      putSecretValue: through('putSecretValue'),
      updateSecretVersionStage: through('updateSecretVersionStage'),
      listSecretVersionIds: through('listSecretVersionIds'),
      listSecrets: through('listSecrets'),
      rotateSecret: through('rotateSecret'),
      tagResource: through('tagResource'),
      untagResource: through('untagResource'),
      updateSecret: through('updateSecret'),
    },
    secretId: SECRET_ARN,
    log: () => undefined,
    randomKey: () => new Uint8Array(32).fill(calls).fill(seed, 0, 16),
    newVersionId: () => `made-by-${seed}-after-${calls}`.padEnd(32, '-'),
    now: () => new Date(momentOf(day)),
    sleep: (milliseconds) => {
      slept += milliseconds;
      return Promise.resolve();
    },
    remainingTime: () => timeLimit - slept,
    proven: new Set(),
    confirm: () => Promise.resolve(),
  };
}
