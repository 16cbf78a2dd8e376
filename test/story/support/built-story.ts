import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface StoryRun {
  readonly code: unknown;
  readonly output: string;
  readonly errors: string;
}

/** Runs the built story without a terminal and without any setting for colours. */
export async function runStory(
  builtFolder: string,
  { environment = {} }: { readonly environment?: Readonly<Record<string, string>> },
  ...args: string[]
): Promise<StoryRun> {
  const child = spawn(process.execPath, [join(builtFolder, 'story/story.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const [code] = (await once(child, 'close')) as unknown[];
  return { code, output, errors };
}

/** The screen without what differs from run to run: dates (they start today), VersionIds, the port and the seconds. */
export function steady(screen: string): string {
  return screen
    .replace(/\d{4}-\d\d-\d\d/g, 'yyyy-mm-dd')
    .replace(/^( *\d+ {2})[0-9a-f]{8} /gm, '$1versi-id ')
    .replace(/127\.0\.0\.1:\d+/, '127.0.0.1:port')
    .replace(/\d+\.\d s$/m, 'n s');
}
