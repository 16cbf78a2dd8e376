import { Argument, Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { isKeyRotationError } from '../format/error.ts';
import type { Execute, Finished } from './command.ts';
import type { ColumnFlags } from './rows/column-options.ts';
import { COMMANDS } from './commands/all.ts';
import { completionScript, SHELLS } from './terminal/completion.ts';
import { jsonSchema } from './json/schema.ts';
import { exitCodeOf, type ExitCode } from './exit-code.ts';
import { changeLines } from './terminal/changes.ts';
import { paintFor, printable, printableJson } from './terminal/paint.ts';
import { wrapped } from './terminal/table.ts';
import { openSession, requireSettings, type CommonOptions, type AwsSession } from './aws/session.ts';
import { allSpelledOut, withOptions } from './suggested-commands.ts';
import type { ProcessIo } from './process-io.ts';

/** Runs one command line (`argv` as in `process.argv`) to its end. Never throws. */
export async function run(argv: readonly string[], world: ProcessIo): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const isJson = argv.includes('--json');
  const execute: Execute = async (definition, options, args) => {
    const about = { command: definition.name, ...(options.dryRun === true ? { dryRun: true } : {}) };
    let session: AwsSession | undefined;
    try {
      session = openSession(world, options);
      await requireSettings(session, world, options);
      const finished = await definition.run(session, options, args, world);
      exitCode = finished.exitCode ?? 0;
      if (options.json === true) {
        const result = finished.suggests === true ? allSpelledOut(finished.result, options) : finished.result;
        printJson(world, { ...about, result, ...trail(session, options) });
      } else printFinished(world, finished, session, options);
    } catch (error) {
      exitCode = exitCodeOf(error, session?.lastFailure());
      const failed = failure(error, options);
      if (options.json === true) printJson(world, { ...about, error: failed, ...trail(session, options) });
      else complain(world, definition.name, failed, trail(session, options), options.dryRun === true);
    } finally {
      session?.client.destroy();
    }
  };
  const program = programFor(isJson ? { ...world, stderr: { write: () => true } } : world, execute);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (isJson) printJson(world, wrongUsageOf(argv, error));
    return 2;
  }
  return exitCode;
}

/** What `--json` gives for a command line that was not understood. */
function wrongUsageOf([, , command = '']: readonly string[], error: CommanderError): object {
  const message = error.message.replace(/^error: /, '');
  return { command, error: { code: 'WRONG_USAGE', message }, changes: [], warnings: [] };
}

/** The program with all its commands, for the command line and for what describes it. */
export function programFor(world: ProcessIo, execute: Execute): Command {
  const program = new Command('pazpaz-keys')
    .version(packageJson.version, '--version', 'print the version')
    .description('Operates the key ring of a secret: see, rotate, roll back, add, retire, diagnose.')
    .configureHelp({ helpWidth: 100 })
    .showHelpAfterError('pazpaz-keys --help lists the commands.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
    })
    .addHelpText(
      'after',
      '\nEvery command has a --help with examples. Begin with:\n  pazpaz-keys status --secret-id pazpaz/encryption-key-v1',
    );
  for (const { addTo } of COMMANDS) addTo(program, execute);
  addAbout(program, world);
  return program;
}

/** Commands that are about the others, and talk to nobody. */
function addAbout(program: Command, world: ProcessIo): void {
  program
    .command('completion')
    .showHelpAfterError('pazpaz-keys completion --help shows how.')
    .summary('Print a script that completes commands and options in a shell')
    .description('Prints a script for your shell.')
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .addHelpText('after', '\nExample:\n  pazpaz-keys completion bash >> ~/.bashrc')
    .action((shell: (typeof SHELLS)[number]) => {
      world.stdout.write(completionScript(program, shell));
    });
  program
    .command('schema')
    .showHelpAfterError('pazpaz-keys schema --help shows how.')
    .summary('Print the JSON Schema of what a command prints with --json')
    .description('Prints the JSON Schema (draft 7) of what a command prints with --json.')
    .addArgument(new Argument('<command>', 'which one').choices(COMMANDS.map(({ name }) => name)))
    .addHelpText('after', '\nExample:\n  pazpaz-keys schema status')
    .action((name: string) => {
      for (const command of COMMANDS) if (command.name === name) printJson(world, jsonSchema(command));
    });
}

/** The options that a suggested command gets, where the command has them. */
type Options = CommonOptions & ColumnFlags;

function failure(error: unknown, options: Options): { readonly code: string; readonly message: string } {
  if (isKeyRotationError(error)) return { code: error.code, message: withOptions(error.message, options) };
  return { code: 'UNEXPECTED', message: error instanceof Error ? error.message : 'an unknown error' };
}

/** What the command did on its way, wherever it ended. */
function trail(session: AwsSession | undefined, options: Options): Pick<AwsSession, 'changes' | 'warnings'> {
  const warnings = session?.warnings ?? [];
  return { changes: session?.changes ?? [], warnings: warnings.map((warning) => withOptions(warning, options)) };
}

function printFinished(world: ProcessIo, finished: Finished, session: AwsSession, options: Options): void {
  const isDryRun = options.dryRun === true;
  const { changes, warnings } = trail(session, options);
  warn(world, warnings);
  const lines =
    isDryRun && finished.hidesChanges !== true ? [] : finished.lines(paintFor(world.stdout, world.environment));
  print(world, [
    ...(finished.suggests === true ? lines.map((line) => withOptions(line, options)) : lines),
    ...(finished.hidesChanges === true ? [] : changeLines(changes, isDryRun)),
  ]);
}

function complain(
  world: ProcessIo,
  command: string,
  { code, message }: ReturnType<typeof failure>,
  { changes, warnings }: ReturnType<typeof trail>,
  isDryRun: boolean,
): void {
  warn(world, warnings);
  const paint = paintFor(world.stderr, world.environment);
  const lines = [
    ...message.split('\n').flatMap((part) => wrapped(part)),
    ...(changes.length === 0 ? [] : changeLines(changes, isDryRun)),
  ];
  world.stderr.write(`${paint.bad(`pazpaz-keys ${command}: ${code}`)}\n${printable(lines.join('\n'))}\n`);
}

function warn(world: ProcessIo, warnings: readonly string[]): void {
  const paint = paintFor(world.stderr, world.environment);
  for (const warning of warnings) world.stderr.write(`${paint.warn('warning')}: ${printable(warning)}\n`);
}

function print(world: ProcessIo, lines: readonly string[]): void {
  world.stdout.write(`${lines.join('\n')}\n`);
}

function printJson(world: ProcessIo, value: object): void {
  world.stdout.write(`${printableJson(JSON.stringify(value, undefined, 2))}\n`);
}
