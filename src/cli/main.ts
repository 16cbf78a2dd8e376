import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { KEY_BYTES } from '../format/key-material.ts';
import { run } from './run.ts';
import { askAt } from './terminal/ask.ts';

// It is about this machine's Node, and would stand in the middle of a command's output.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Whoever reads only the beginning (`pazpaz-keys status | head`) has seen what they wanted.
  if (error.code === 'EPIPE') process.exit(0);
  // A full disk, say: what the command had to say is lost, so nobody must take it for done.
  process.stderr.write(`pazpaz-keys: the output could not be written (${error.code ?? error.name}).\n`);
  process.exit(1);
});

refuseNodeDebug();

process.exitCode = await run(process.argv, {
  environment: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  ask: (question) => askAt({ input: process.stdin, output: process.stderr }, question),
  now: () => new Date(),
  sleep: (milliseconds) => setTimeout(milliseconds),
  randomKey: () => randomBytes(KEY_BYTES),
  newVersionId: randomUUID,
});

/**
 * Under `NODE_DEBUG` Node itself prints the first bytes of whatever it reads, standard input and the answers of AWS
 * alike: a key would get onto the screen, and nothing here can stop it. Ends the process with 2, wrong usage, before
 * anything is read.
 */
export function refuseNodeDebug(): void {
  if ((process.env['NODE_DEBUG'] ?? '') === '') return;
  process.stderr.write(
    'pazpaz-keys: INVALID_SETTINGS\n' +
      'The environment variable NODE_DEBUG must not be set, found a value: it makes Node print what it reads, keys\n' +
      'included. Run the command without it (env -u NODE_DEBUG pazpaz-keys ...).\n',
  );
  process.exit(2);
}
