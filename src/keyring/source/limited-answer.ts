import { Readable } from 'node:stream';
import { KeyRotationError } from '../../format/error.ts';

export interface AnswerLimits {
  readonly bytes: number;
  readonly milliseconds: number;
}

/** Throws `CANNOT_REACH_AWS` at either limit. `response`: the HTTP response as the SDK's middleware sees it. */
export async function readWithin(response: unknown, { bytes, milliseconds }: AnswerLimits): Promise<void> {
  if (typeof response !== 'object' || response === null || !('body' in response)) return;
  const { body } = response;
  if (!(body instanceof Readable)) return;
  const tooLate = setTimeout(() => {
    body.destroy(endless(`its answer did not end within ${milliseconds / 1000} s`));
  }, milliseconds);
  try {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > bytes) throw endless(`its answer is longer than ${bytes} bytes`);
      chunks.push(chunk);
    }
    response.body = Buffer.concat(chunks);
  } finally {
    clearTimeout(tooLate);
  }
}

function endless(found: string): KeyRotationError {
  return new KeyRotationError(
    'CANNOT_REACH_AWS',
    `AWS was reached, but ${found}. Check the configured endpoint, and any proxy on the way.`,
  );
}
