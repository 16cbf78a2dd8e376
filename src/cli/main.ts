import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { KEY_BYTES } from '../format/key-material.ts';
import { refuseNodeDebug } from '../format/node-debug.ts';
import { howStarted } from './how-started.ts';
import { run } from './run.ts';
import { askAt } from './terminal/ask.ts';

// The warning is about this machine's Node and would mix with a command's output.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `pazpaz-keys status | head` has seen what it wanted.
  if (error.code === 'EPIPE') process.exit(0);
  // The output is lost, for example on a full disk, so the command must not look successful.
  process.stderr.write(`pazpaz-keys: the output could not be written (${error.code ?? error.name}).\n`);
  process.exit(1);
});

try {
  refuseNodeDebug();
} catch (error) {
  // Before any input is read. 2 is wrong usage.
  process.stderr.write(`pazpaz-keys: INVALID_SETTINGS\n${error instanceof Error ? error.message : ''}\n`);
  process.exit(2);
}

/** Built next to this program. */
const TALLY_THREAD = fileURLToPath(new URL('./tally-thread.mjs', import.meta.url));

process.exitCode = await run(process.argv, {
  environment: process.env,
  useProfile: (name) => {
    process.env['AWS_PROFILE'] = name;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  ask: (question) => askAt({ input: process.stdin, output: process.stderr }, question),
  now: () => new Date(),
  sleep: (milliseconds) => setTimeout(milliseconds),
  randomKey: () => randomBytes(KEY_BYTES),
  newVersionId: randomUUID,
  tallyThread: existsSync(TALLY_THREAD) ? TALLY_THREAD : undefined,
  program: howStarted(process.argv[1] ?? '', process.cwd(), process.env['PATH'] ?? ''),
});
