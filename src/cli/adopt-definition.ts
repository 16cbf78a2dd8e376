import { someText, type CommandDefinition } from './command.ts';
import { runAdopt, type AdoptOptions } from './commands/adopt.ts';
import { adoptLine } from './screen/result-screen.ts';

export const ADOPT: CommandDefinition<AdoptOptions> = {
  name: 'adopt',
  summary: 'Give every key in use a number, as the daily run of the Lambda does',
  details: 'With --version-id it also rescues a key whose version has lost its last label.',
  examples: ['pazpaz-keys adopt', 'pazpaz-keys adopt --version-id 5f6cde2f-7a7e-4f6f-9d3c-0a7b3f0f9a11'],
  writes: 'at once',
  setUp: (command) => command.option('--version-id <id>', 'a version that status lists without a number', someText),
  run: async ({ deps }, options) => {
    const result = await runAdopt(deps, options);
    return { result, lines: () => [adoptLine(result)] };
  },
};
