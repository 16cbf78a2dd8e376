import { fileURLToPath } from 'node:url';
import { runProgram } from '../local/run-program.ts';
import { readCommandLine, type Settings } from './command-line.ts';
import { LiveLine } from './live-line.ts';
import { abilitiesOf } from './paint.ts';
import { complaint, linesOf, resultLines, rotatingLine, titleLines } from './screen.ts';
import { tellStory, type StoryResult } from './story.ts';
import type { Happening } from './years.ts';

/** The build puts these next door. */
const BUNDLE = fileURLToPath(new URL('../lambda/handler.js', import.meta.url));
const RUNNER = fileURLToPath(new URL('../local/lambda-runner.mjs', import.meta.url));

// The warning is about this machine's Node and would appear in the middle of the story.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

await runProgram(readCommandLine, run, (error) => (error instanceof Error ? error.message : 'The story stopped.'));

async function run({ years, json, verbose, loseKey }: Settings): Promise<void> {
  const { isLive, paint } = abilitiesOf(process.stdout, process.env);
  const live = isLive && !verbose && !json ? new LiveLine(process.stdout) : undefined;
  const print = (lines: readonly string[]): void => {
    for (const line of lines) process.stdout.write(`${line}\n`);
  };
  const tell = (happening: Happening): void => {
    live?.clear();
    print(linesOf(happening, paint));
    if (happening.kind === 'rotation begun') live?.show(() => rotatingLine(happening.steps()));
  };

  if (!json) print(titleLines(years, paint));
  let result: StoryResult;
  try {
    result = await tellStory({
      years,
      ...(loseKey === undefined ? {} : { loseKey }),
      tell: json ? () => undefined : tell,
      lambda: {
        bundle: BUNDLE,
        runner: RUNNER,
        log: (line) => {
          if (verbose) process.stderr.write(`${line}\n`);
        },
      },
    });
  } finally {
    live?.clear();
  }
  print(json ? [JSON.stringify(result)] : resultLines(result, paint));
  const wrong = complaint(result);
  if (wrong !== undefined) {
    process.stderr.write(`${wrong}\n`);
    process.exitCode = 1;
  }
}
