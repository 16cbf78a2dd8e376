import { InvalidArgumentError } from 'commander';
import { wrongUsage, type CommandDefinition } from './command.ts';
import { runCleanUp } from './commands/clean-up.ts';
import { followRotation } from './commands/follow.ts';
import { runRotate } from './commands/rotate.ts';
import { rotationLog } from './rotation-log.ts';
import { printable } from './screen/paint.ts';
import { cleanUpLine, rotateLine } from './screen/result-screen.ts';
import { wrapped } from './screen/table.ts';

interface RotateFlags {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly cleanUp?: boolean;
}

export const ROTATE: CommandDefinition<RotateFlags> = {
  name: 'rotate',
  summary: 'Start a rotation, and follow it to its end',
  details:
    'Uses one of the 17 labels of the ring. Where rotation was cancelled it asks first, since it switches it on again. --clean-up ends a rotation that was cancelled, failed or refused; its key never encrypted anything.',
  examples: ['pazpaz-keys rotate --wait', 'pazpaz-keys rotate --clean-up --yes'],
  writes: 'asks',
  setUp: (command) =>
    command
      .option('--wait', 'follow the rotation until the new key is current, or say why it is not')
      .option('--timeout <seconds>', 'how long to follow it', seconds, 300)
      .option('--clean-up', 'take AWSPENDING off what a rotation has left over'),
  run: async (session, options, _, world) => {
    const { deps } = session;
    const { wait, timeout, cleanUp, dryRun, json } = options;
    if (cleanUp === true) {
      if (wait === true) wrongUsage('--clean-up ends a rotation; there is nothing to --wait for.');
      const result = await runCleanUp(deps);
      return { result, lines: () => [cleanUpLine(result)] };
    }
    const started = await runRotate(deps);
    // What a dry run shows is the list of changes, and this is none that the service names.
    if (dryRun === true && started.wasSwitchedOff) session.warn('Rotation is off; this would switch it on again.');
    if (wait !== true || dryRun === true) return { result: started, lines: () => [rotateLine(started)] };
    const say = (line: string): void => {
      if (json === true) return;
      world.stderr.write(`${wrapped(printable(line), 100, '  ').join('\n')}\n`);
    };
    say(rotateLine(started));
    const { versionId } = started;
    const keyNumber = await followRotation(deps, {
      versionId,
      timeLimit: timeout * 1000,
      onStage: (stage) => {
        say(`- the new version ${stage}`);
      },
      onStep: ({ step, outcome, reason }) => {
        say(`- ${step} ${outcome}${reason === undefined ? '' : `: ${reason}`}`);
      },
      readLog: await rotationLog(session, options, versionId, (why) => {
        const text = `The function's log is not followed: ${why}.`;
        if (json === true) session.warn(text);
        else say(`- ${text}`);
      }),
    });
    return { result: { ...started, keyNumber }, lines: () => [`Now key ${keyNumber} is current.`] };
  },
};

function seconds(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text) || Number(text) === 0)
    throw new InvalidArgumentError('a whole number of seconds is needed');
  return Number(text);
}
