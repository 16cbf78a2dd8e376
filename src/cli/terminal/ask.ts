import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { KeyRotationError } from '../../format/error.ts';

export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
}

/** Rejects with `NOT_CONFIRMED` on Ctrl-C, Ctrl-D and a closed terminal, of which readline reports nothing. */
export async function askAt({ input, output }: Terminal, question: string): Promise<string> {
  const terminal = createInterface({ input, output, terminal: true });
  const left = once(terminal, 'close').then(() => Promise.reject(notAnswered()));
  try {
    return await Promise.race([terminal.question(question), left]);
  } catch {
    output.write('\n');
    throw notAnswered();
  } finally {
    left.catch(() => undefined);
    terminal.close();
  }
}

function notAnswered(): KeyRotationError {
  return new KeyRotationError('NOT_CONFIRMED', 'Not confirmed. Nothing was changed.');
}
