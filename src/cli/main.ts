import { randomBytes, randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import { setTimeout } from 'node:timers/promises';
import { KEY_BYTES } from '../keyring/key-material.ts';
import { refuseToBeOverheard } from './overheard.ts';
import { run } from './run.ts';

// It is about this machine's Node, and would stand in the middle of a command's output.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

// Whoever reads only the beginning (`pazpaz-keys status | head`) has seen what they wanted.
process.stdout.on('error', () => process.exit(0));

refuseToBeOverheard();

process.exitCode = await run(process.argv, {
  environment: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  ask: async (question) => {
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await terminal.question(question);
    } finally {
      terminal.close();
    }
  },
  now: () => new Date(),
  sleep: (milliseconds) => setTimeout(milliseconds),
  randomKey: () => randomBytes(KEY_BYTES),
  newVersionId: randomUUID,
});
