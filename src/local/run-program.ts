import { CommanderError } from 'commander';

/** Exits with 2 for wrong usage, with 1 for a failure. */
export async function runProgram<Settings>(
  readCommandLine: (argv: readonly string[]) => Settings,
  run: (settings: Settings) => Promise<void>,
  explain: (error: unknown) => string,
): Promise<void> {
  // `npm start | head` closes the pipe early: that is not a failure.
  process.stdout.on('error', () => process.exit(0));
  try {
    await run(readCommandLine(process.argv));
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else {
      process.stderr.write(`${explain(error)}\n`);
      process.exitCode = 1;
    }
  }
}
