import { InvalidArgumentError, Option } from 'commander';
import { isKeyRotationError, KeyRotationError } from '../keyring/error.ts';
import { toKeyNumber, type KeyNumber } from '../keyring/key-number.ts';
import { addCommand, type CommandDefinition, type Execute } from './command.ts';
import { runAdopt, type AdoptOptions } from './commands/adopt.ts';
import { CENSUS } from './census-definition.ts';
import { censusOf, columnOptions, namesColumns, type ColumnFlags } from './census-columns.ts';
import type { Census } from './commands/census.ts';
import { runRestore } from './commands/restore.ts';
import { runRetire } from './commands/retire.ts';
import { runRollback, type RollbackOptions } from './commands/rollback.ts';
import { runStatus } from './commands/status.ts';
import { DECRYPT, ENCRYPT } from './crypt-definitions.ts';
import { DOCTOR } from './doctor-definition.ts';
import { PUT } from './put-definition.ts';
import { REENCRYPT } from './reencrypt-definition.ts';
import { ROTATE } from './rotate-definition.ts';
import { adoptLine, restoreLine, retireLine, rollbackLine } from './screen/result-screen.ts';
import { statusLines } from './screen/status-screen.ts';
import type { Command } from 'commander';

const STATUS: CommandDefinition<object> = {
  name: 'status',
  summary: 'Show the keys, the rotation, what is under way or left over, and what to do about it',
  examples: ['pazpaz-keys status --secret-id pazpaz/encryption-key-v1'],
  run: async ({ deps }) => {
    const status = await runStatus(deps);
    return { result: status, lines: (paint) => statusLines(status, paint), isReadOnly: true };
  },
};

const ROLLBACK: CommandDefinition<RollbackOptions> = {
  name: 'rollback',
  summary: 'Make the key current again that was current before',
  details:
    'Both keys keep their numbers, and what either has encrypted stays readable. Running it twice changes nothing more.',
  examples: ['pazpaz-keys rollback --dry-run', 'pazpaz-keys rollback --yes'],
  writes: 'asks',
  setUp: (command) => command.option('--undo', 'also go forward to the newer key: take a rollback back'),
  run: async ({ deps }, options) => {
    const result = await runRollback(deps, options);
    return { result, lines: () => [rollbackLine(result)] };
  },
};

const ADOPT: CommandDefinition<AdoptOptions> = {
  name: 'adopt',
  summary: 'Give every key in use a number, as the daily run of the Lambda does',
  details: 'With --version-id it also rescues a key whose version has lost its last label.',
  examples: ['pazpaz-keys adopt', 'pazpaz-keys adopt --version-id 5f6cde2f-7a7e-4f6f-9d3c-0a7b3f0f9a11'],
  writes: 'at once',
  setUp: (command) => command.option('--version-id <id>', 'a version that status lists without a number'),
  run: async ({ deps }, options) => {
    const result = await runAdopt(deps, options);
    return { result, lines: () => [adoptLine(result)] };
  },
};

const RESTORE: CommandDefinition<object> = {
  name: 'restore',
  summary: 'Bring a retired key back, while AWS still has it',
  examples: ['pazpaz-keys restore 1'],
  writes: 'at once',
  setUp: (command) => command.argument('<number>', 'the number of the key', keyNumber),
  run: async ({ deps }, _, [number = '']) => {
    const result = await runRestore(deps, keyNumber(number));
    return { result, lines: () => [restoreLine(result)] };
  },
};

interface RetireFlags extends ColumnFlags {
  readonly force?: boolean;
}

function retire(census: Census): CommandDefinition<RetireFlags> {
  return {
    name: 'retire',
    summary: 'Take keys off the ring that no row needs any more, so that AWS may delete them',
    details:
      'Refused for a key in use, while a rotation is under way, until the secret has not changed for 24 hours, and while a census finds rows that may need the key. Restart processes that hold a key in hand before. restore brings a key back.',
    examples: [
      'pazpaz-keys retire 1 --dry-run',
      'pazpaz-keys retire 1 2 --yes',
      'pazpaz-keys retire 1 --force --confirm 1',
    ],
    writes: 'asks',
    setUp: (command) =>
      columnOptions(command)
        .argument('<numbers...>', 'numbers of the keys', (text: string, before: readonly KeyNumber[] | undefined) => [
          ...(before ?? []),
          keyNumber(text),
        ])
        .addOption(new Option('--force', 'without a census and without waiting: rows may be lost for good'))
        .option('--confirm <numbers>', 'the numbers once more, for --force without a terminal'),
    run: async (session, flags, numbers, world) => {
      const rows = namesColumns(flags) ? censusOf(session, flags, world) : census;
      const result = await runRetire(session.deps, rows, { numbers: numbers.map(keyNumber), force: flags.force });
      return { result, lines: () => [retireLine(result)] };
    },
  };
}

/** Adds every command of this file and its neighbours. */
export function addCommands(program: Command, execute: Execute, census: Census): void {
  addCommand(program, STATUS, execute);
  addCommand(program, DOCTOR, execute);
  addCommand(program, ROTATE, execute);
  addCommand(program, ROLLBACK, execute);
  addCommand(program, PUT, execute);
  addCommand(program, ADOPT, execute);
  addCommand(program, retire(census), execute);
  addCommand(program, RESTORE, execute);
  addCommand(program, CENSUS, execute);
  addCommand(program, REENCRYPT, execute);
  addCommand(program, ENCRYPT, execute);
  addCommand(program, DECRYPT, execute);
}

/** What a census answers where nothing says which rows to count. */
export const noCensus: Census = () =>
  Promise.reject(
    new KeyRotationError(
      'NO_CENSUS',
      'No census is configured, so nobody knows which rows still need the key. Name the database and its columns; or say --force and its number again, and take the risk.',
    ),
  );

function keyNumber(text: string): KeyNumber {
  try {
    return toKeyNumber(/^[0-9]{1,9}$/.test(text) ? Number(text) : NaN);
  } catch (error) {
    if (!isKeyRotationError(error)) throw error;
    throw new InvalidArgumentError(`'${text}' is no key number: a whole number from 1 is needed.`);
  }
}
