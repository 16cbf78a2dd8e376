import { InvalidArgumentError } from 'commander';
import { wrongUsage, type CommandDefinition } from './command.ts';
import { runCleanUp } from './commands/clean-up.ts';
import { followRotation, type RotationStage } from './commands/follow.ts';
import { runRotate } from './commands/rotate.ts';
import { cleanUpLine, rotateLine } from './screen/result-screen.ts';

interface RotateFlags {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly cleanUp?: boolean;
}

export const ROTATE: CommandDefinition<RotateFlags> = {
  name: 'rotate',
  summary: 'Start a rotation, and follow it to its end',
  details:
    'Uses one of the 17 labels of the ring. --clean-up ends a rotation that was cancelled, failed or refused; its key never encrypted anything.',
  examples: ['pazpaz-keys rotate --wait', 'pazpaz-keys rotate --clean-up --yes'],
  writes: 'asks',
  setUp: (command) =>
    command
      .option('--wait', 'follow the rotation until the new key is current, or say why it is not')
      .option('--timeout <seconds>', 'how long to follow it', seconds, 300)
      .option('--clean-up', 'take AWSPENDING off what a rotation has left over'),
  run: async ({ deps }, { wait, timeout, cleanUp, dryRun, json }, _, world) => {
    if (cleanUp === true) {
      if (wait === true) wrongUsage('--clean-up ends a rotation; there is nothing to --wait for.');
      const result = await runCleanUp(deps);
      return { result, lines: () => [cleanUpLine(result)] };
    }
    const started = await runRotate(deps);
    if (wait !== true || dryRun === true) return { result: started, lines: () => [rotateLine(started)] };
    const say = (line: string): void => {
      if (json !== true) world.stderr.write(`${line}\n`);
    };
    say(rotateLine(started));
    const onStage = (stage: RotationStage): void => {
      say(`  the new version ${stage}`);
    };
    const keyNumber = await followRotation(deps, {
      versionId: started.versionId,
      timeLimit: timeout * 1000,
      onStage,
      onStep: ({ step, outcome, reason }) => {
        say(`  ${step} ${outcome}${reason === undefined ? '' : `: ${reason}`}`);
      },
    });
    return { result: { ...started, keyNumber }, lines: () => [`Now key ${keyNumber} is current.`] };
  },
};

function seconds(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError('a whole number of seconds is needed');
  return Number(text);
}
