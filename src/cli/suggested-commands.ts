import type { CommonOptions } from './aws/session.ts';
import { KeyRotationError, type ErrorCode } from '../format/error.ts';
import type { ColumnFlags } from './rows/column-flags.ts';

export const PROGRAM = 'pazpaz-keys';

export type SuggestedCommand =
  | 'status'
  | 'doctor'
  | 'rotate'
  | 'rollback'
  | 'put'
  | 'adopt'
  | 'retire'
  | 'restore'
  | 'backup'
  | 'restore-ring'
  | 'move'
  | 'census'
  | 'reencrypt'
  | 'columns'
  | 'maintain';

/** A command of this program, or a command line of another one. */
export type NextStep =
  | string
  | {
      readonly command: SuggestedCommand;
      readonly args: readonly string[];
      /** Another secret than the one that this command was given. */
      readonly secretId?: string;
    };

export function step(command: SuggestedCommand, ...args: readonly string[]): NextStep {
  return { command, args };
}

/** `next` is printed below the message. */
export class CommandRefusal extends KeyRotationError {
  readonly next: readonly NextStep[];

  constructor(code: ErrorCode, message: string, ...next: readonly NextStep[]) {
    super(code, message);
    this.next = next;
  }
}

/** For refusals of parts that know no commands. */
const HELP: Partial<Record<ErrorCode, readonly NextStep[]>> = {
  CURRENT_KEY_UNNUMBERED: [step('adopt')],
  JOB_DIFFERS: [step('reencrypt', '--show'), step('reencrypt', '--start-over')],
  RING_FULL: [step('status')],
};

export function stepsAfter(error: KeyRotationError): readonly NextStep[] {
  return error instanceof CommandRefusal ? error.next : (HELP[error.code] ?? []);
}

const OVER_ROWS: readonly SuggestedCommand[] = ['retire', 'census', 'reencrypt', 'maintain'];

export type Spell = (step: NextStep) => string;

/** Options of `reencrypt` alone, without which it would do something else. */
interface ReencryptionFlags {
  readonly toContext?: string;
  readonly triggers?: string;
  /** False with `--no-legacy`. */
  readonly legacy?: boolean;
}

/**
 * Repeats the options that this command was given: without them, a pasted command would act on the secret that the
 * environment names. A command over rows gets the options for its rows, or the file of docs/operate.md.
 */
export function speller(program: string, options: CommonOptions & ColumnFlags & ReencryptionFlags): Spell {
  return (next) => {
    if (typeof next === 'string') return withAwsOptions(next, options);
    const { command, args, secretId = options.secretId } = next;
    return [
      program,
      command,
      ...args.map(quoted),
      ...flag('--secret-id', secretId),
      ...flag('--region', options.region),
      ...flag('--profile', options.profile),
      ...flag('--endpoint-url', options.endpointUrl),
      ...(OVER_ROWS.includes(command) ? rowFlags(options) : command === 'columns' ? databaseFlags(options) : []),
      ...(command === 'reencrypt' ? reencryptionFlags(options) : []),
    ].join(' ');
  };
}

export function spelled<T extends { readonly next: readonly NextStep[] }>(
  all: readonly T[],
  spell: Spell,
): readonly (Omit<T, 'next'> & { readonly next: readonly string[] })[] {
  return all.map((one) => ({ ...one, next: one.next.map(spell) }));
}

/** The AWS CLI takes its options before the service, too, so each call in a line gets them. */
function withAwsOptions(line: string, { region, profile, endpointUrl }: CommonOptions): string {
  const flags = [
    ...(line.includes(' --region ') ? [] : flag('--region', region)),
    ...flag('--profile', profile),
    ...(line.startsWith('aws secretsmanager ') ? flag('--endpoint-url', endpointUrl) : []),
  ];
  return line.replaceAll(/(?<![\w-])aws (?=(?:secretsmanager|kms|lambda|logs) )/g, ['aws', ...flags, ''].join(' '));
}

function databaseFlags({ databaseUrl, databaseSecret, rdsIam }: ColumnFlags): readonly string[] {
  return [
    ...flag('--database-url', withoutPassword(databaseUrl)),
    ...flag('--database-secret', databaseSecret),
    ...(rdsIam === true ? ['--rds-iam'] : []),
  ];
}

function rowFlags(options: ColumnFlags): readonly string[] {
  const { table, column, member, key, context, columns } = options;
  const database = databaseFlags(options);
  if (table === undefined) return [...database, ...flag('--columns', columns ?? 'columns.json')];
  return [
    ...database,
    ...flag('--table', table),
    ...flag('--column', column),
    ...flag('--member', member),
    ...flag('--key', key),
    ...flag('--context', context),
  ];
}

function reencryptionFlags({ toContext, triggers, legacy }: ReencryptionFlags): readonly string[] {
  return [
    ...flag('--to-context', toContext),
    ...flag('--triggers', triggers),
    ...(legacy === false ? ['--no-legacy'] : []),
  ];
}

/** Suggestions appear on screens and in logs, so they never hold a password. */
function withoutPassword(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const address = new URL(url);
  // An `@` after the host belongs to a password that was not percent-encoded: `postgres://user:pass/word@host`.
  if ((address.pathname + address.search + address.hash).includes('@')) return undefined;
  address.password = '';
  for (const secret of ['password', 'sslpassword']) address.searchParams.delete(secret);
  return address.href;
}

function flag(name: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [name, quoted(value)];
}

/** For a POSIX shell. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
