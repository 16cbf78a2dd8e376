import { Command, InvalidArgumentError } from 'commander';
import { toKeyNumber, type KeyNumber } from '../format/key-number.ts';

/** The options of `npm start -- ...`. */
export interface Settings {
  readonly years: number;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly loseKey?: KeyNumber;
}

/** Key 1, the rotation that begins at once, and one a year make the 17 keys that fit on a ring. */
const MOST_YEARS = 15;

const AFTER_HELP = `
Examples:
  npm start
  npm start -- --years 3 --verbose
  npm start --silent -- --json
  npm start -- --lose-key 3         must fail: shows that a lost key would be seen

Colours and progress on a terminal only; NO_COLOR=1 declines the colours.

Exit codes: 0 everything that was ever encrypted is readable, 1 something is not, or a rotation failed, 2 wrong usage.
`;

/**
 * Reads the command line.
 *
 * @param argv as in `process.argv`.
 * @param write for tests: gets the help and the complaints.
 * @throws {CommanderError} with exit code 0 after help was shown, another one for wrong usage.
 */
export function readCommandLine(argv: readonly string[], write?: (text: string) => void): Settings {
  const command = new Command('npm start --')
    .description('An encryption key is rotated for years, by the built Lambda; everything encrypted stays readable.')
    .option('--years <n>', `how many years pass, 1 to ${MOST_YEARS}`, years, 10)
    .option('--json', 'print the result as one JSON object, and nothing else', false)
    .option('--verbose', "show the Lambda's log, on standard error", false)
    .option(
      '--lose-key <number>',
      'at the end take the label of this key away by hand: its data is then lost',
      keyNumber,
    )
    .addHelpText('after', AFTER_HELP)
    .allowExcessArguments(false)
    .exitOverride();
  if (write !== undefined) command.configureOutput({ writeOut: write, writeErr: write });
  command.parse([...argv]);
  const settings = command.opts<Settings>();
  // The last two keys keep a label of AWS's own.
  if (settings.loseKey !== undefined && settings.loseKey > settings.years) {
    command.error(`error: --lose-key is a number from 1 to ${settings.years} when ${settings.years} years pass`);
  }
  return settings;
}

function years(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > MOST_YEARS) {
    throw new InvalidArgumentError(
      `a whole number from 1 to ${MOST_YEARS} is needed: a ring holds 17 keys, and nothing is retired here`,
    );
  }
  return value;
}

function keyNumber(text: string): KeyNumber {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('the number of a key is needed');
  return toKeyNumber(Number(text));
}
