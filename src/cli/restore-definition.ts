import type { CommandDefinition } from './command.ts';
import { runRestore } from './commands/restore.ts';
import { keyNumber } from './key-number-argument.ts';
import { restoreLine } from './screen/result-screen.ts';

export const RESTORE: CommandDefinition<object> = {
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
