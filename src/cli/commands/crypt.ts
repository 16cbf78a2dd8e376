import type { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { isUtf8 } from 'node:buffer';
import { buffer } from 'node:stream/consumers';
import { KeyRotationError } from '../../format/error.ts';
import { KeyRing } from '../../keyring/key-ring.ts';
import { command, wrongUsage } from '../command.ts';
import { COUNT, object, TEXT } from '../json/shapes.ts';
import { rowBytes } from '../rows/row-text.ts';
import { printable } from '../terminal/paint.ts';
import type { AwsSession } from '../aws/session.ts';
import type { ProcessIo } from '../process-io.ts';

interface CryptFlags {
  readonly context: string;
}

const CONTEXT = ['--context <text>', 'what the row is bound to, such as patients:7:notes'] as const;

export const ENCRYPT = command<CryptFlags>({
  name: 'encrypt',
  summary: 'Encrypt one value from standard input with the current key, for support cases',
  details:
    'Prints base64, as a text column holds it. Every byte of the input is encrypted, including a line break at ' +
    'its end.',
  examples: ["printf %s 'Patient has diabetes' | pazpaz-keys encrypt --context patients:7:notes"],
  result: object({ ciphertext: TEXT, keyNumber: COUNT }),
  setUp: (program) => program.option(...CONTEXT, ''),
  run: async (session, { context }, _, world) => {
    const plaintext = requireText(await standardInput(world, 'encrypt < value.txt'));
    return withRing(session, (ring) => {
      const bytes = ring.encryptField(plaintext, context);
      const [usage] = ring.usage();
      const ciphertext = bytes.toString('base64');
      return Promise.resolve({
        result: { ciphertext, keyNumber: usage?.keyNumber ?? 0 },
        lines: () => [ciphertext],
        showsInDryRun: true,
      });
    });
  },
});

export const DECRYPT = command<CryptFlags>({
  name: 'decrypt',
  summary: 'Decrypt one value from standard input, for support cases',
  details:
    'Takes what a column shows: base64 from a text column, \\x… from a bytea column as psql prints it, or older ' +
    'text (vN:…, JSON). Prints the plaintext, so mind who can see the screen.',
  examples: ['pazpaz-keys decrypt --context patients:7:notes < value.txt'],
  result: object({ plaintext: TEXT }),
  setUp: (program) => program.option(...CONTEXT, ''),
  run: async (session, { context, json = false }, _, world) => {
    const row = rowBytes((await standardInput(world, 'decrypt < value.txt')).toString('utf8'));
    return withRing(session, async (ring) => {
      const plaintext = await ring.decryptField(row, context);
      const shown = world.stdout.isTTY === true ? printable(plaintext) : plaintext;
      // JSON escapes control characters, so nothing is replaced there.
      if (shown !== plaintext && !json) session.warn(REPLACED);
      return { result: { plaintext }, lines: () => [shown], isExact: true };
    });
  },
});

const REPLACED =
  'The text has characters that control the terminal or are invisible (including tabs and text direction marks). ' +
  "Each is shown as '?'. To get the exact text, redirect the output to a file or use --json.";

async function standardInput({ stdin }: ProcessIo, example: string): Promise<Buffer> {
  if (stdin.isTTY === true) wrongUsage(`Give the value on standard input: ${example}.`);
  return buffer(stdin);
}

/** Throws `INVALID_TEXT` for bytes that `decryptField` could not return, and `INVALID_SETTINGS` for an empty input. */
function requireText(bytes: Buffer): Buffer {
  if (bytes.length === 0) wrongUsage('Standard input is empty, so there is nothing to encrypt.');
  if (isUtf8(bytes)) return bytes;
  throw new KeyRotationError(
    'INVALID_TEXT',
    'The value must be UTF-8 text, but standard input has bytes that are not. Convert it (iconv), or encode ' +
      'binary data as base64 first.',
  );
}

async function withRing<T>(session: AwsSession, use: (ring: KeyRing) => Promise<T>): Promise<T> {
  const ring = await openRing(session.client, session);
  try {
    return await use(ring);
  } finally {
    ring.close();
  }
}

/**
 * The ring as an application in production has it: never the environment's key. Its log is dropped, because it would
 * mix with the output.
 */
function openRing(client: SecretsManagerClient, { secretId, region }: AwsSession): Promise<KeyRing> {
  const settings = {
    keySource: 'aws',
    environment: 'production',
    region: region ?? '',
    secretId,
    environmentKey: undefined,
  } as const;
  return KeyRing.open(settings, { client, logger: () => undefined });
}
