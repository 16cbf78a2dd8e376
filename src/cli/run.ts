import { Argument, Command, CommanderError } from 'commander';
import { isKeyRotationError } from '../keyring/error.ts';
import type { Execute, Finished } from './command.ts';
import type { Census } from './commands/census.ts';
import { addCommands, noCensus } from './definitions.ts';
import { completionScript, SHELLS } from './completion.ts';
import { DESCRIBED_COMMANDS, jsonSchema } from './json-schema.ts';
import { exitCodeOf, type ExitCode } from './exit-code.ts';
import { changeLines } from './screen/changes.ts';
import { paintFor, printable } from './screen/paint.ts';
import { wrapped } from './screen/table.ts';
import { openSession, requireRegion, type Session } from './session.ts';
import type { World } from './world.ts';

/** Runs one command line (`argv` as in `process.argv`) to its end. Never throws. */
export async function run(argv: readonly string[], world: World, census: Census = noCensus): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const execute: Execute = async (definition, options, args) => {
    const about = { command: definition.name, ...(options.dryRun === true ? { dryRun: true } : {}) };
    let session: Session | undefined;
    try {
      session = openSession(world, options);
      await requireRegion(session);
      const finished = await definition.run(session, options, args, world);
      exitCode = finished.exitCode ?? 0;
      if (options.json === true) printJson(world, { ...about, result: finished.result, ...trail(session) });
      else printFinished(world, finished, session, options.dryRun === true);
    } catch (error) {
      exitCode = exitCodeOf(error);
      if (options.json === true) printJson(world, { ...about, error: failure(error), ...trail(session) });
      else complain(world, definition.name, error, session, options.dryRun === true);
    } finally {
      session?.client.destroy();
    }
  };
  const program = programFor(world, execute, census);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : 2;
  }
  return exitCode;
}

/** The program with all its commands, for the command line and for what describes it. */
export function programFor(world: World, execute: Execute, census: Census = noCensus): Command {
  const program = new Command('pazpaz-keys')
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
  addCommands(program, execute, census);
  addAbout(program, world);
  return program;
}

/** Commands that are about the others, and talk to nobody. */
function addAbout(program: Command, world: World): void {
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
    .addArgument(new Argument('<command>', 'which one').choices(DESCRIBED_COMMANDS))
    .addHelpText('after', '\nExample:\n  pazpaz-keys schema status')
    .action((name: string) => {
      printJson(world, jsonSchema(name) ?? {});
    });
}

function failure(error: unknown): { code: string; message: string } {
  if (isKeyRotationError(error)) return { code: error.code, message: error.message };
  return { code: 'UNEXPECTED', message: error instanceof Error ? error.message : 'an unknown error' };
}

/** What the command did on its way, wherever it ended. */
function trail(session: Session | undefined): Pick<Session, 'changes' | 'warnings'> {
  return { changes: session?.changes ?? [], warnings: session?.warnings ?? [] };
}

function printFinished(world: World, finished: Finished, session: Session, isDryRun: boolean): void {
  warn(world, session.warnings);
  print(world, [
    ...(isDryRun && finished.isReadOnly !== true ? [] : finished.lines(paintFor(world.stdout, world.environment))),
    ...(finished.isReadOnly === true ? [] : changeLines(session.changes, isDryRun)),
  ]);
}

function complain(
  world: World,
  command: string,
  error: unknown,
  session: Session | undefined,
  isDryRun: boolean,
): void {
  const { changes, warnings } = trail(session);
  warn(world, warnings);
  const paint = paintFor(world.stderr, world.environment);
  const { code, message } = failure(error);
  const lines = [
    ...message.split('\n').flatMap((part) => wrapped(part)),
    ...(changes.length === 0 ? [] : changeLines(changes, isDryRun)),
  ];
  world.stderr.write(`${paint.bad(`pazpaz-keys ${command}: ${code}`)}\n${printable(lines.join('\n'))}\n`);
}

function warn(world: World, warnings: readonly string[]): void {
  const paint = paintFor(world.stderr, world.environment);
  for (const warning of warnings) world.stderr.write(`${paint.warn('warning')}: ${printable(warning)}\n`);
}

function print(world: World, lines: readonly string[]): void {
  world.stdout.write(`${lines.join('\n')}\n`);
}

function printJson(world: World, value: object): void {
  world.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
