import { oldBox, oldJson, OLD_FORMS, type OldWriter } from '../../format/support/old-application.ts';

/** A way in which rows were stored before this system. */
export interface OlderForm {
  readonly name: string;
  /** The column's type. */
  readonly type: 'bytea' | 'text' | 'jsonb';
  readonly make: (text: string, writer: OldWriter) => Buffer | string;
}

const base64 = (text: string, writer: OldWriter) => oldBox(text, writer).toString('base64');
const json = (text: string, writer: OldWriter) => JSON.stringify(oldJson(text, writer));

/** Every form in every type of column that it fits in: (a) to (d) of docs/format.md. */
export const OLDER_FORMS: readonly OlderForm[] = [
  { name: 'nonce, ciphertext, tag', type: 'bytea', make: oldBox },
  { name: 'vN: before the bytes', type: 'bytea', make: OLD_FORMS['vN: before the bytes'] },
  { name: 'vN: before base64, in bytes', type: 'bytea', make: OLD_FORMS['vN: before base64'] },
  { name: 'JSON in bytes', type: 'bytea', make: json },
  { name: 'vN: before base64', type: 'text', make: (text, writer) => `v12:${base64(text, writer)}` },
  { name: 'base64 alone', type: 'text', make: base64 },
  { name: 'JSON in a text', type: 'text', make: json },
  { name: 'a JSON object', type: 'jsonb', make: json },
  { name: 'base64 in a JSON string', type: 'jsonb', make: (text, writer) => JSON.stringify(base64(text, writer)) },
];

/** A nonce of which no two ids have the same, and whose first byte is each in turn: a row then looks like every number. */
export function nonceOf(id: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt8(id % 256);
  nonce.writeUInt32BE(id, 4);
  return nonce;
}
