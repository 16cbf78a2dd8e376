import { Readable } from 'node:stream';
import { randomBytes } from 'node:crypto';
import { recorded, type Change } from '../../../src/cli/aws/change.ts';
import { operatorSecrets } from '../../../src/cli/aws/operator-secrets.ts';
import type { Census, CensusResult } from '../../../src/cli/rows/row-count.ts';
import { givenText, type GivenValue } from '../../../src/cli/ring/supplied-key.ts';
import type { CommandDependencies, OperatorSecrets, Question } from '../../../src/cli/aws/operator.ts';
import { run } from '../../../src/cli/run.ts';
import { CommandRefusal, PROGRAM, speller } from '../../../src/cli/suggested-commands.ts';
import type { ProcessIo } from '../../../src/cli/process-io.ts';
import { toKeyNumber, type KeyNumber } from '../../../src/format/key-number.ts';
import { token } from '../../local/support/state-machine.ts';
import { keyOf, SECRET, type TestRing } from '../../support/ring.ts';

/** Next steps as a command without options shows them. */
export const spell = speller(PROGRAM, {});

/** What an operator's command has in these tests: the real SDK over HTTP, the service's clock, and a yes. */
export interface Operator {
  readonly deps: CommandDependencies;
  readonly changes: readonly Change[];
  readonly questions: readonly Question[];
}

export function operatorOf(
  ring: TestRing,
  change: (secrets: OperatorSecrets) => OperatorSecrets = (secrets) => secrets,
): Operator {
  const changes: Change[] = [];
  const questions: Question[] = [];
  return {
    changes,
    questions,
    deps: {
      ...ring.deps,
      secrets: change(recorded(operatorSecrets(ring.client), (made) => changes.push(made))),
      secretId: SECRET,
      newVersionId: () => token(Object.keys(ring.secret.versions).length + 500),
      remainingTime: () => 1_000_000,
      confirm: (question) => {
        questions.push(question);
        return Promise.resolve();
      },
    },
  };
}

/** The key that a test hands in: the one of a place, spelled as the guide does. */
export function valueOf(place: number): GivenValue {
  return givenText(keyOf(place).toString('base64'), 'The test');
}

export const numbers = (...all: readonly number[]): readonly KeyNumber[] => all.map(toKeyNumber);

/** A census that has seen every row, and found these. */
export function counting(
  found: Partial<CensusResult> & { readonly rows?: Readonly<Record<number, number>> } = {},
): Census {
  const { rows = {}, ...rest } = found;
  return () =>
    Promise.resolve({
      rowsByNumber: new Map(Object.entries(rows).map(([number, count]) => [toKeyNumber(Number(number)), count])),
      rowsWithNumberZero: 0,
      legacyRows: 0,
      unattributableRows: 0,
      isComplete: true,
      counted: [],
      ...rest,
    });
}

/** What a command line did. */
export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly stdin?: string | Buffer;
  /** Standard input and error are terminals; each question gets the next answer. */
  readonly answers?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly census?: Census;
  /** Milliseconds by which this machine's clock is ahead of the service's. */
  readonly clockError?: number;
  /** Standard output is a terminal. */
  readonly isOnTerminal?: boolean;
  /** Default: the ring's service. */
  readonly endpoint?: string;
}

/** Runs `pazpaz-keys` with these arguments against the ring's service, within this process. */
export async function pazpazKeys(ring: TestRing, args: readonly string[], around: Surroundings = {}): Promise<Ran> {
  const { stdin = '', answers, environment = {}, census, clockError = 0, isOnTerminal = false, endpoint } = around;
  const out = { stdout: '', stderr: '' };
  const waiting = [...(answers ?? [])];
  const isTTY = answers !== undefined;
  const world: ProcessIo = {
    environment: { SECRETS_MANAGER_KEY_NAME: SECRET, AWS_REGION: 'us-east-1', ...environment },
    stdout: { write: (text) => (out.stdout += text), isTTY: isOnTerminal },
    stderr: { write: (text) => (out.stderr += text), isTTY },
    stdin: Object.assign(Readable.from([stdin]), { isTTY }),
    ask: (question) => {
      out.stderr += question;
      return Promise.resolve(waiting.shift() ?? '');
    },
    now: () => new Date(ring.service.clock.now() + clockError),
    sleep: async () => {
      await ring.service.idle();
    },
    randomKey: () => randomBytes(32),
    newVersionId: () => token(versionsOf(ring) + 700),
    census,
  };
  // Not an option: that would stand in every command that it suggests.
  process.env['AWS_ENDPOINT_URL_SECRETS_MANAGER'] = endpoint ?? (await endpointOf(ring));
  const exitCode = await run(['node', 'pazpaz-keys', ...args], world);
  return { exitCode, ...out };
}

/** Of the ring's secret and of any beside it. */
function versionsOf({ service }: TestRing): number {
  return Object.values(service.state.secrets).reduce((sum, { versions }) => sum + Object.keys(versions).length, 0);
}

/** Credentials that the service accepts, as every command finds them. */
export function giveCredentials(): void {
  process.env['AWS_ACCESS_KEY_ID'] = 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'test';
}

export async function endpointOf(ring: TestRing): Promise<string> {
  const endpoint = await ring.client.config.endpoint?.();
  if (endpoint === undefined) throw new Error('the ring has no endpoint');
  return `http://${endpoint.hostname}:${endpoint.port ?? 80}`;
}

/** What a refusal says, with the commands that it suggests. */
export function saidBy(error: Error): string {
  return [error.message, ...(error instanceof CommandRefusal ? error.next.map(spell) : [])].join('\n');
}
