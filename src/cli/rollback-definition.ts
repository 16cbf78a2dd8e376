import type { CommandDefinition } from './command.ts';
import { runRollback, type RollbackOptions } from './commands/rollback.ts';
import { rollbackLine } from './screen/result-screen.ts';

export const ROLLBACK: CommandDefinition<RollbackOptions> = {
  name: 'rollback',
  summary: 'Make the key current again that was current before',
  details:
    'Both keys keep their numbers, and what either has encrypted stays readable. Running it twice changes nothing more.',
  examples: ['pazpaz-keys rollback --dry-run', 'pazpaz-keys rollback --yes'],
  writes: 'asks',
  setUp: (command) => command.option('--undo', 'also go forward to the newer key: take a rollback back'),
  run: async ({ deps }, options) => {
    const result = await runRollback(deps, options);
    return { result, lines: () => [rollbackLine(result)], suggests: true };
  },
};
