import { Option } from 'commander';
import type { KeyNumber } from '../format/key-number.ts';
import { censusOf, columnOptions, namesColumns, type ColumnFlags } from './census-columns.ts';
import type { CommandDefinition } from './command.ts';
import type { Census } from './commands/census.ts';
import { runRetire } from './commands/retire.ts';
import { keyNumber } from './key-number-argument.ts';
import { retireLine } from './screen/result-screen.ts';

interface RetireFlags extends ColumnFlags {
  readonly force?: boolean;
}

/** `census`: what counts the rows where the options do not say which. */
export function retire(census: Census): CommandDefinition<RetireFlags> {
  return {
    name: 'retire',
    summary: 'Take keys off the ring that no row needs any more, so that AWS may delete them',
    details:
      'Refused for a key in use, while a rotation is under way, until the secret has not changed for 24 hours, and while a census finds rows that may need the key. Restart processes that hold a key in hand before. restore brings a key back.',
    examples: [
      'pazpaz-keys retire 1 --columns columns.json --dry-run',
      "pazpaz-keys retire 1 2 --table patients --column notes --context 'patients:{id}:notes' --yes",
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
      return { result, lines: () => [retireLine(result)], suggests: true };
    },
  };
}
