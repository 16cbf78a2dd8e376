import type { Readable } from 'node:stream';
import type { Census } from './rows/row-count.ts';

/** A stream that a command writes to. */
export interface Screen {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean | undefined;
}

/** Everything outside a command line. Tests replace it. */
export interface ProcessIo {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined };
  /** Shows a question and resolves to the answer. Called only if standard input and standard error are terminals. */
  readonly ask: (question: string) => Promise<string>;
  readonly now: () => Date;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly randomKey: () => Uint8Array;
  readonly newVersionId: () => string;
  /** How this program is started, for suggested commands. Default: its name. */
  readonly program?: string;
  /** The program of a thread that opens rows (`tally-thread-program.ts`). Default: no threads. */
  readonly tallyThread?: string | undefined;
  /** Counts rows if no option names columns. Default: `retire` is then refused. */
  readonly census?: Census | undefined;
}

/** Variables by their names. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The value of a variable. An empty one counts as unset. */
export function given(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === '' ? undefined : value;
}
