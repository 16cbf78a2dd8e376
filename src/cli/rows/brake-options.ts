import { InvalidArgumentError, type Command } from 'commander';
import { FULL_SPEED, type Brakes, type BrakeState } from '../../postgres/job/brakes.ts';
import { wrongUsage } from '../command.ts';

/** An option of its own at the start, and a name of --set. */
interface BrakeOption {
  readonly name: string;
  readonly value: string;
  readonly help: string;
  readonly read: (text: string) => Partial<Brakes>;
  /** As --set takes it. */
  readonly shown: (brakes: Brakes) => string;
}

const MOST = 2_000_000_000;

function count(key: NumberBrake, name: string, value: string, help: string): BrakeOption {
  return {
    name,
    value,
    help,
    read: (text) => {
      if (text === 'off') return { [key]: null };
      const number = Number(text);
      if (/^[0-9]{1,10}$/.test(text) && number >= 1 && number <= MOST) return { [key]: number };
      throw new InvalidArgumentError('a whole number from 1 is needed, or off');
    },
    shown: (brakes) => String(brakes[key] ?? 'off'),
  };
}

type NumberBrake =
  'maxRowsPerSecond' | 'batchMilliseconds' | 'maxLagSeconds' | 'maxHeldWalMegabytes' | 'minFreeDiskMegabytes';

function onOrOff(key: 'waitsForVacuum' | 'waitsForLocks', name: string, help: string): BrakeOption {
  return {
    name,
    value: 'on|off',
    help,
    read: (text) => {
      if (text === 'on' || text === 'off') return { [key]: text === 'on' };
      throw new InvalidArgumentError('on or off is needed');
    },
    shown: (brakes) => (brakes[key] ? 'on' : 'off'),
  };
}

const BRAKES: readonly BrakeOption[] = [
  count('maxRowsPerSecond', 'max-rows-per-second', 'n', 'of all processes together (default: 5000)'),
  count(
    'batchMilliseconds',
    'batch-time',
    'ms',
    'target time of a transaction; its number of rows follows (default: 100)',
  ),
  count('maxLagSeconds', 'max-replication-lag', 's', 'waits while a replica lags more (default: 10)'),
  count('maxHeldWalMegabytes', 'max-held-wal', 'MB', 'waits while a slot or replica holds more log (default: 4096)'),
  count('minFreeDiskMegabytes', 'min-free-disk', 'MB', 'waits while a server on this machine has less (default: 2048)'),
  onOrOff('waitsForVacuum', 'wait-for-vacuum', 'waits while the table is vacuumed (default: on)'),
  onOrOff('waitsForLocks', 'wait-for-locks', 'waits while others wait for locks on the table (default: on)'),
  {
    name: 'pause-while',
    value: 'query',
    help: 'waits while the first value of this SELECT is not false, off, zero, empty or NULL',
    read: (text) => {
      if (text.trim() === '') throw new InvalidArgumentError('it is empty');
      return { pauseWhile: text === 'off' ? null : text };
    },
    shown: ({ pauseWhile }) => pauseWhile ?? 'off',
  },
];

export interface BrakeFlags {
  readonly fullSpeed?: boolean;
  readonly pause?: boolean;
  readonly resume?: boolean;
  readonly show?: boolean;
  readonly set?: Partial<Brakes>;
  readonly maxRowsPerSecond?: Partial<Brakes>;
  readonly batchTime?: Partial<Brakes>;
  readonly maxReplicationLag?: Partial<Brakes>;
  readonly maxHeldWal?: Partial<Brakes>;
  readonly minFreeDisk?: Partial<Brakes>;
  readonly waitForVacuum?: Partial<Brakes>;
  readonly waitForLocks?: Partial<Brakes>;
  readonly pauseWhile?: Partial<Brakes>;
}

export function brakeOptions(program: Command): Command {
  for (const { name, value, help, read } of BRAKES) program.option(`--${name} <${value}>`, help, read);
  return program
    .option('--full-speed', 'no brakes, for a maintenance window')
    .option('--show', 'show the unfinished jobs, and what they wait for')
    .option('--pause', 'make the unfinished jobs wait, from any terminal')
    .option('--resume', 'make them continue')
    .option('--set <name=value>', 'change a brake of the unfinished jobs: max-rows-per-second=500', setting);
}

export function brakesOf(flags: BrakeFlags): Partial<Brakes> {
  return {
    ...(flags.fullSpeed === true ? FULL_SPEED : {}),
    ...flags.maxRowsPerSecond,
    ...flags.batchTime,
    ...flags.maxReplicationLag,
    ...flags.maxHeldWal,
    ...flags.minFreeDisk,
    ...flags.waitForVacuum,
    ...flags.waitForLocks,
    ...flags.pauseWhile,
  };
}

export function queryNotAsked(why: string): string {
  return `Running processes now wait, unless they were started with this --pause-while: ${why}.`;
}

/** `undefined` where the command works itself. */
export function controlOf({ pause, resume, show, set }: BrakeFlags): Partial<BrakeState> | undefined {
  if (pause === true && resume === true) wrongUsage('--pause and --resume exclude each other.');
  if (pause === true || resume === true) return { ...set, isPaused: pause === true };
  return set ?? (show === true ? {} : undefined);
}

/** As --set takes them. */
export function brakeList(brakes: Brakes): readonly string[] {
  return BRAKES.map(({ name, shown }) => `${name}=${shown(brakes)}`);
}

function setting(text: string, former: Partial<Brakes> = {}): Partial<Brakes> {
  const [, name, value = ''] = /^([a-z-]+)=(.*)$/s.exec(text) ?? [];
  const brake = BRAKES.find((one) => one.name === name);
  if (brake !== undefined) return { ...former, ...brake.read(value) };
  throw new InvalidArgumentError(`name=value is needed, with one of ${BRAKES.map((one) => one.name).join(', ')}`);
}
