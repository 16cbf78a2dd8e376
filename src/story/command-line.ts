import { Command, InvalidArgumentError } from 'commander';
import { toKeyNumber, type KeyNumber } from '../format/key-number.ts';
import { GUIDE, periodsOf } from './years.ts';

/** The options of `npm start -- ...`. */
export interface Settings {
  readonly years: number;
  /** Days between two rotations. */
  readonly every: number;
  readonly maintain: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
  readonly loseKey?: KeyNumber;
}

/** Key 1, the rotation that begins at once, and these make the 17 keys that fit on a ring. */
const MOST_PERIODS = 15;

/** With `--maintain`: about a minute. */
const MOST_MAINTAINED_PERIODS = 400;
const MOST_YEARS = 100;

const AFTER_HELP = `
Examples:
  npm start
  npm start -- --years 3 --verbose
  npm start --silent -- --json
  npm start -- --lose-key 3         must fail: shows that a lost key would be seen
  npm start -- --every 90d --years 40 --maintain

Colours and progress on a terminal only; NO_COLOR=1 declines the colours.

Exit codes: 0 everything that was ever encrypted is readable, 1 something is not, or a rotation failed, 2 wrong usage.
`;

/** `write` gets the help and the complaints. Throws `CommanderError`, with exit code 0 after the help. */
export function readCommandLine(argv: readonly string[], write?: (text: string) => void): Settings {
  const command = new Command('npm start --')
    .description('An encryption key is rotated for years, by the built Lambda; everything encrypted stays readable.')
    .option('--years <n>', `how many years pass, 1 to ${MOST_YEARS}`, years, 10)
    .option('--every <days>', 'how long a key is current, such as 90d', days, GUIDE.days)
    .option(
      '--maintain',
      'with a table behind the ring, whose rows are re-encrypted and whose older keys are retired after each rotation',
      false,
    )
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
  const complaint = whyNot(settings);
  if (complaint !== undefined) command.error(`error: ${complaint}`);
  return settings;
}

function whyNot({ years, every, maintain, loseKey }: Settings): string | undefined {
  const periods = periodsOf(years, every);
  if (periods < 1) return `in ${years} years a key of ${every} days is never due for rotation`;
  if (maintain) {
    if (loseKey !== undefined) return '--lose-key cannot be used with --maintain, which retires keys';
    if (periods <= MOST_MAINTAINED_PERIODS) return undefined;
    return `${periods} rotations are too many for a screen: at most ${MOST_MAINTAINED_PERIODS}`;
  }
  if (periods > MOST_PERIODS) {
    return `a ring holds 17 keys, and nothing is retired without --maintain: at most ${MOST_PERIODS} periods after the first rotation, not ${periods}`;
  }
  // The last two keys keep a label of AWS's own.
  if (loseKey === undefined || loseKey <= periods) return undefined;
  return `--lose-key is a number from 1 to ${periods} when a rotation becomes due ${periods} times`;
}

function years(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > MOST_YEARS) {
    throw new InvalidArgumentError(`a whole number from 1 to ${MOST_YEARS} is needed`);
  }
  return value;
}

/** AWS takes 1 to 1000 days. */
function days(text: string): number {
  const value = Number(/^(\d+)d$/.exec(text)?.[1]);
  if (!(value >= 1 && value <= 1000)) throw new InvalidArgumentError('1d to 1000d is needed, such as 90d');
  return value;
}

function keyNumber(text: string): KeyNumber {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('the number of a key is needed');
  return toKeyNumber(Number(text));
}
