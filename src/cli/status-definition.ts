import type { CommandDefinition } from './command.ts';
import { runStatus } from './commands/status.ts';
import { statusLines } from './screen/status-screen.ts';

export const STATUS: CommandDefinition<object> = {
  name: 'status',
  summary: 'Show the keys, the rotation, what is under way or left over, and what to do about it',
  examples: ['pazpaz-keys status --secret-id pazpaz/encryption-key-v1'],
  run: async ({ deps }) => {
    const status = await runStatus(deps);
    return { result: status, lines: (paint) => statusLines(status, paint), hidesChanges: true, suggests: true };
  },
};
