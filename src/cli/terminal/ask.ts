import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { KeyRotationError } from '../../format/error.ts';

/** A terminal, or what a test puts in its place. */
export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
}

/**
 * Shows a question and resolves to the line that is typed. Rejects with `NOT_CONFIRMED` where somebody leaves instead:
 * Ctrl-C, Ctrl-D, or a terminal that is closed, of which readline itself never says anything.
 */
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
