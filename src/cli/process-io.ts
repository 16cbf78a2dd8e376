import type { Readable } from 'node:stream';
import type { Census } from './rows/row-count.ts';

export interface Screen {
  readonly write: (text: string) => unknown;
  readonly isTTY?: boolean | undefined;
}

/** Everything outside a command line. Tests replace it. */
export interface ProcessIo {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The SDK reads the `endpoint_url` of a profile only if `AWS_PROFILE` names it. */
  readonly useProfile?: (name: string) => void;
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly stdin: Readable & { readonly isTTY?: boolean | undefined };
  /** Called only if standard input and standard error are terminals. */
  readonly ask: (question: string) => Promise<string>;
  readonly now: () => Date;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly randomKey: () => Uint8Array;
  readonly newVersionId: () => string;
  /** How this program is started, for suggested commands. Default: its name. */
  readonly program?: string;
  /** `tally-thread-program.ts`, built. Default: no threads. */
  readonly tallyThread?: string | undefined;
  /** Used if no option names columns. Default: `retire` is then refused. */
  readonly census?: Census | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** An empty variable counts as unset. */
export function given(environment: Environment, name: string): string | undefined {
  const value = environment[name];
  return value === '' ? undefined : value;
}
