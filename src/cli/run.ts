import { Argument, Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { isKeyRotationError } from '../format/error.ts';
import type { Execute, Finished } from './command.ts';
import { COMMANDS } from './commands/all.ts';
import { completionScript, SHELLS } from './terminal/completion.ts';
import { jsonSchema } from './json/schema.ts';
import { exitCodeOf, type ExitCode } from './exit-code.ts';
import { changeLines } from './terminal/changes.ts';
import { oneLine, paintFor, printableJson, printableScreen, type Paint, warningLine } from './terminal/paint.ts';
import { wrapped } from './terminal/table.ts';
import { openSession, requireSettings, type AwsSession } from './aws/session.ts';
import { CommandRefusal, stepsAfter, PROGRAM, speller, step, type Spell } from './suggested-commands.ts';
import type { ProcessIo } from './process-io.ts';

/** `argv`: as in `process.argv`. Never throws. */
export async function run(argv: readonly string[], io: ProcessIo): Promise<ExitCode> {
  const world = { ...io, stdout: printableScreen(io.stdout), stderr: printableScreen(io.stderr) };
  let exitCode: ExitCode = 0;
  const isJson = argv.includes('--json');
  const execute: Execute = async (definition, options, args) => {
    const about = { command: definition.name, ...(options.dryRun === true ? { dryRun: true } : {}) };
    const spell = speller(world.program ?? PROGRAM, options);
    let session: AwsSession | undefined;
    try {
      const isOnFiles = definition.isOnFiles?.(options) === true;
      if (options.profile !== undefined) world.useProfile?.(options.profile);
      session = openSession(world, isOnFiles ? { secretId: '-', ...options } : options);
      if (!isOnFiles) await requireSettings(session, world, options);
      const finished = await definition.run({ ...session, spell }, options, args, world);
      exitCode = finished.exitCode ?? 0;
      if (options.json === true) {
        const next = finished.next === undefined ? {} : { next: finished.next.map(spell) };
        printJson(world, { ...about, result: finished.result, ...next, ...trail(session) });
      } else if (finished.isExact === true) {
        warn(world, session.warnings);
        io.stdout.write(`${finished.lines(paintFor(io.stdout, io.environment)).join('\n')}\n`);
      } else printFinished(world, finished, session, spell, options.dryRun === true);
    } catch (error) {
      exitCode = exitCodeOf(error, session?.lastFailure());
      const hasWritten = options.dryRun !== true && trail(session).changes.length > 0;
      const failed = failure(error, spell, hasWritten);
      if (options.json === true) printJson(world, { ...about, error: failed, ...trail(session) });
      else complain(world, definition.name, failed, trail(session), options.dryRun === true);
    } finally {
      session?.client.destroy();
    }
  };
  const program = programFor(isJson ? { ...world, stderr: { write: () => true } } : world, execute);
  try {
    await program.parseAsync(withoutHelpOfNothing(program, argv));
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (isJson) printJson(world, wrongUsageOf(argv, error));
    return 2;
  }
  return exitCode;
}

/** `help` of a command that does not exist would show the general help, and no word about that. */
function withoutHelpOfNothing(program: Command, argv: readonly string[]): string[] {
  const [node = '', file = '', word, name] = argv;
  const isKnown = name === undefined || program.commands.some((command) => command.name() === name);
  return word === 'help' && !isKnown ? [node, file, ...argv.slice(3)] : [...argv];
}

/** For a command line that was not understood. */
function wrongUsageOf([, , command = '']: readonly string[], error: CommanderError): object {
  const message = error.message.replace(/^error: /, '');
  return { command, error: { code: 'WRONG_USAGE', message }, changes: [], warnings: [] };
}

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

/** They call nothing. */
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

const UNFINISHED = 'Some of the work was done. status says what is unfinished, and what to do next.';

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly next?: readonly string[];
}

function failure(error: unknown, spell: Spell, hasWritten: boolean): Failure {
  if (error instanceof CommandRefusal) {
    const { code, message, next } = error;
    return { code, message, next: next.map(spell) };
  }
  if (isKeyRotationError(error)) {
    const { code, message } = error;
    if (hasWritten && code !== 'NOT_SEEN_YET')
      return { code, message: `${message}\n${UNFINISHED}`, next: [spell(step('status'))] };
    const next = stepsAfter(error);
    return { code, message, ...(next.length === 0 ? {} : { next: next.map(spell) }) };
  }
  return { code: 'UNEXPECTED', message: error instanceof Error ? error.message : 'an unknown error' };
}

function trail(session: AwsSession | undefined): Pick<AwsSession, 'changes' | 'warnings'> {
  return { changes: session?.changes ?? [], warnings: session?.warnings ?? [] };
}

function printFinished(
  world: ProcessIo,
  finished: Finished,
  session: AwsSession,
  spell: Spell,
  isDryRun: boolean,
): void {
  const { changes, warnings } = trail(session);
  warn(world, warnings);
  const paint = paintFor(world.stdout, world.environment);
  const showsLines = !isDryRun || finished.showsInDryRun === true;
  print(world, [
    ...(showsLines ? finished.lines(paint) : []),
    ...(showsLines ? nextLines((finished.next ?? []).map(spell), paint) : []),
    ...(finished.showsInDryRun === true && changes.length === 0 ? [] : changeLines(changes, isDryRun, finished.file)),
  ]);
}

/** Each on its own line, so that it can be pasted. */
function nextLines(next: readonly string[], paint: Paint): readonly string[] {
  return next.map((line) => `  ${paint.strong(line)}`);
}

function complain(
  world: ProcessIo,
  command: string,
  { code, message, next = [] }: Failure,
  { changes, warnings }: ReturnType<typeof trail>,
  isDryRun: boolean,
): void {
  warn(world, warnings);
  const paint = paintFor(world.stderr, world.environment);
  const lines = [
    ...message.split('\n').flatMap((part) => wrapped(part)),
    ...(changes.length === 0 ? [] : changeLines(changes, isDryRun)),
    ...(changes.length === 0 || next.length === 0 ? [] : ['What to do next:']),
  ];
  const text = [...lines, ...nextLines(next, paint)].join('\n');
  world.stderr.write(`${paint.bad(`pazpaz-keys ${command}: ${code}`)}\n${text}\n`);
}

function warn(world: ProcessIo, warnings: readonly string[]): void {
  const paint = paintFor(world.stderr, world.environment);
  for (const warning of warnings) world.stderr.write(warningLine(warning, paint));
}

function print(world: ProcessIo, lines: readonly string[]): void {
  world.stdout.write(`${lines.map(oneLine).join('\n')}\n`);
}

function printJson(world: ProcessIo, value: object): void {
  world.stdout.write(`${printableJson(JSON.stringify(value, undefined, 2))}\n`);
}
