import type { IncomingMessage } from 'node:http';

export class BodyTooLarge extends Error {
  constructor() {
    super('The request body is too large');
    this.name = 'BodyTooLarge';
  }
}

export class BodyNotText extends Error {
  constructor() {
    super('The request body is not UTF-8');
    this.name = 'BodyNotText';
  }
}

/** `limit` is in bytes. Throws `BodyTooLarge`, `BodyNotText`, or the stream's error if the client leaves. */
export async function readBody(request: IncomingMessage, limit: number): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > limit) throw new BodyTooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) {
        request.pause();
        reject(new BodyTooLarge());
        return;
      }
      chunks.push(chunk);
    });
    request.on('end', () => {
      try {
        resolve(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks)));
      } catch {
        reject(new BodyNotText());
      }
    });
    request.on('error', reject);
    request.on('close', () => {
      reject(new Error('The client went away'));
    });
  });
}
