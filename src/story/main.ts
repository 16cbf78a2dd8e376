import { fileURLToPath } from 'node:url';
import { runProgram } from '../local/run-program.ts';
import { readCommandLine, type Settings } from './command-line.ts';
import { LiveLine } from './live-line.ts';
import {
  maintainedComplaint,
  maintainedLines,
  maintainedProgress,
  maintainedResultLines,
  maintainedTitle,
} from './maintained-screen.ts';
import { tellMaintainedStory, type MaintainedHappening } from './maintained-years.ts';
import { abilitiesOf } from './paint.ts';
import { complaint, linesOf, resultLines, rotatingLine, titleLines } from './screen.ts';
import { tellStory } from './story.ts';
import type { Happening } from './years.ts';

/** As the build places it. */
const BUNDLE = fileURLToPath(new URL('../lambda/handler.js', import.meta.url));
const RUNNER = fileURLToPath(new URL('../local/lambda-runner.mjs', import.meta.url));

// The warning is about this machine's Node and would appear in the middle of the story.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

await runProgram(readCommandLine, run, (error) => (error instanceof Error ? error.message : 'The story stopped.'));

async function run(settings: Settings): Promise<void> {
  const { years, every: days, maintain, json, verbose, loseKey } = settings;
  const { isLive, paint } = abilitiesOf(process.stdout, process.env);
  const live = isLive && !verbose && !json ? new LiveLine(process.stdout) : undefined;
  const print = (lines: readonly string[]): void => {
    for (const line of lines) process.stdout.write(`${line}\n`);
  };
  const lambda = {
    bundle: BUNDLE,
    runner: RUNNER,
    log: (line: string) => {
      if (verbose) process.stderr.write(`${line}\n`);
    },
  };
  const show = (lines: readonly string[], progress?: () => string): void => {
    live?.clear();
    if (json) return;
    print(lines);
    if (progress !== undefined) live?.show(progress);
  };

  try {
    if (maintain) {
      show(maintainedTitle(years, days, paint));
      giveCredentials();
      const tell = (happening: MaintainedHappening): void => {
        show(maintainedLines(happening, paint), maintainedProgress(happening));
      };
      const result = await tellMaintainedStory({ years, days, tell, lambda: { ...lambda, isKeptWarm: true } });
      live?.clear();
      end(result, json ? undefined : maintainedResultLines(result, paint), maintainedComplaint(result));
    } else {
      show(titleLines(years, paint));
      const tell = (happening: Happening): void => {
        const { kind } = happening;
        show(linesOf(happening, paint), kind === 'rotation begun' ? () => rotatingLine(happening.steps()) : undefined);
      };
      const lost = loseKey === undefined ? {} : { loseKey };
      const result = await tellStory({ years, days, tell, lambda, ...lost });
      live?.clear();
      end(result, json ? undefined : resultLines(result, paint), complaint(result));
    }
  } finally {
    live?.clear();
  }
}

function end(result: object, lines: readonly string[] | undefined, wrong: string | undefined): void {
  process.stdout.write(`${lines === undefined ? JSON.stringify(result) : lines.join('\n')}\n`);
  if (wrong === undefined) return;
  process.stderr.write(`${wrong}\n`);
  process.exitCode = 1;
}

/** `maintain` looks for credentials as any command does. The service of the story takes any. */
function giveCredentials(): void {
  for (const name of ['AWS_PROFILE', 'AWS_SESSION_TOKEN']) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'story', AWS_SECRET_ACCESS_KEY: 'story', NO_PROXY: '127.0.0.1' });
}
