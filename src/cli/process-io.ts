import type { Readable } from 'node:stream';
import type { Census } from './rows/row-count.ts';

/** A stream that a command writes to. */
export interface Screen {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean | undefined;
}

/** What a command line has around it; tests put their own in its place. */
export interface ProcessIo {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined };
  /** Shows a question and resolves to the answer; used only where standard input and error are terminals. */
  readonly ask: (question: string) => Promise<string>;
  readonly now: () => Date;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly randomKey: () => Uint8Array;
  readonly newVersionId: () => string;
  /** How this program is started, for commands that it suggests. Default: its name. */
  readonly program?: string;
  /** Counts rows where no option says which ones. Default: `retire` refuses without such an option. */
  readonly census?: Census | undefined;
}

/** Variables by their names. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What a variable holds; one that is empty counts as not set. */
export function given(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === '' ? undefined : value;
}
