import { createCipheriv, randomBytes } from 'node:crypto';

/** A key and a nonce of the application that wrote before this system; written from its description, not our code. */
export interface OldWriter {
  readonly key: Uint8Array;
  readonly nonce?: Uint8Array;
  /** The N of `vN`. */
  readonly version?: number;
}

/** Every form that the application ever stored a text in, as the bytes of the column. */
export const OLD_FORMS = {
  'nonce, ciphertext, tag': oldBox,
  'vN: before the bytes': (text, writer) => Buffer.concat([prefix(writer), oldBox(text, writer)]),
  'vN: before base64': (text, writer) => Buffer.from(oldData(text, writer)),
  'a JSON object': (text, writer) => Buffer.from(JSON.stringify(oldJson(text, writer))),
  'a JSON object with data': (text, writer) => Buffer.from(JSON.stringify({ data: oldData(text, writer) })),
} satisfies Record<string, (text: string | Uint8Array, writer: OldWriter) => Buffer>;

export function oldBox(text: string | Uint8Array, { key, nonce = randomBytes(12) }: OldWriter): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

export function oldJson(text: string | Uint8Array, writer: OldWriter): Record<string, unknown> {
  return {
    version: `v${writer.version ?? 1}`,
    ciphertext: oldBox(text, writer).toString('base64'),
    algorithm: 'AES-256-GCM',
  };
}

function oldData(text: string | Uint8Array, writer: OldWriter): string {
  return `v${writer.version ?? 1}:${oldBox(text, writer).toString('base64')}`;
}

function prefix({ version = 1 }: OldWriter): Buffer {
  return Buffer.from(`v${version}:`);
}
