import { InvalidArgumentError, Option, type Command } from 'commander';
import { KeyRotationError } from '../format/error.ts';
import type { ExitCode } from './exit-code.ts';
import type { Schema } from './json/shapes.ts';
import type { Paint } from './terminal/paint.ts';
import { isHttpUrl, type CommonOptions, type AwsSession } from './aws/session.ts';
import type { ProcessIo } from './process-io.ts';
import type { NextStep, Spell } from './suggested-commands.ts';

interface CommandSession extends AwsSession {
  readonly spell: Spell;
}

export interface Finished {
  /** For `--json`, beside the changes. */
  readonly result: object;
  readonly lines: (paint: Paint) => readonly string[];
  readonly exitCode?: ExitCode;
  /** A dry run prints the lines, too. Changes of the secret follow if there are any. */
  readonly showsInDryRun?: boolean;
  /** A file that was written. It is listed among the changes. */
  readonly file?: string;
  /** The lines are the caller's own data, written as they are and alone. */
  readonly isExact?: boolean;
  readonly next?: readonly NextStep[];
}

/** `O`: its own options, as commander parses them. */
export interface CommandDefinition<O extends object> {
  readonly name: string;
  readonly summary: string;
  readonly details?: string;
  readonly examples: readonly string[];
  readonly result: Schema;
  /** Both have `--dry-run`; `asks` has `--yes`, too. */
  readonly writes?: 'asks' | 'at once';
  /** With these options no secret needs to be named, and Secrets Manager is not called. */
  readonly isOnFiles?: (options: O) => boolean;
  readonly setUp?: (command: Command) => Command;
  readonly run: (
    session: CommandSession,
    options: O & CommonOptions,
    args: readonly string[],
    world: ProcessIo,
  ) => Promise<Finished>;
}

export type Execute = <O extends object>(
  definition: CommandDefinition<O>,
  options: O & CommonOptions,
  args: readonly string[],
) => Promise<void>;

const EXIT_CODES =
  'Exit codes: 0 done, 1 refused or something found, 2 wrong usage,\n3 AWS or the database cannot be reached, or ' +
  'cannot answer now.';

export interface DefinedCommand {
  readonly name: string;
  readonly result: Schema;
  readonly addTo: (program: Command, execute: Execute) => void;
}

export function command<O extends object>(definition: CommandDefinition<O>): DefinedCommand {
  const { name, result } = definition;
  return {
    name,
    result,
    addTo: (program, execute) => {
      addCommand(program, definition, execute);
    },
  };
}

function addCommand<O extends object>(program: Command, definition: CommandDefinition<O>, execute: Execute): void {
  const { name, summary, details, examples, writes, setUp } = definition;
  const added = program
    .command(name)
    .summary(summary)
    .description([`${summary}.`, ...(details === undefined ? [] : [details])].join('\n\n'))
    .showHelpAfterError(`pazpaz-keys ${name} --help shows how.`);
  setUp?.(added);
  added
    .option('--secret-id <name>', 'name or ARN of the secret (default: SECRETS_MANAGER_KEY_NAME)', someText)
    .option(
      '--region <region>',
      'region of the secret (default: AWS_REGION, AWS_DEFAULT_REGION, the profile)',
      someText,
    )
    .option('--endpoint-url <url>', 'custom endpoint of Secrets Manager, such as a local one', httpUrl)
    .option('--profile <name>', 'profile of the AWS configuration files', someText)
    .option('--json', 'print one JSON object; pazpaz-keys schema shows its shape');
  if (writes !== undefined) added.option('--dry-run', 'change nothing, and show what would be changed');
  // Commands that never ask accept it, too, so that scripts can always pass it.
  const yes = new Option('-y, --yes', 'do not ask').hideHelp(writes !== 'asks');
  if (writes !== undefined) added.addOption(yes);
  const lines = examples.map((example) => `  ${example}`);
  added.addHelpText('after', `\nExample${lines.length === 1 ? '' : 's'}:\n${lines.join('\n')}\n\n${EXIT_CODES}`);
  added.action(async () => {
    await execute(definition, added.opts<O & CommonOptions>(), added.args);
  });
}

/** An unset shell variable is refused, never ignored. */
export function someText(text: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError('it is empty');
}

function httpUrl(text: string): string {
  if (isHttpUrl(text)) return text;
  throw new InvalidArgumentError('an http:// or https:// address is needed');
}

/** Throws `INVALID_SETTINGS`: the options do not go together. */
export function wrongUsage(message: string): never {
  throw new KeyRotationError('INVALID_SETTINGS', message);
}
