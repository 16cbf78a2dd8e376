import { BYTES, json, TEXT } from './content.ts';
import { EncryptedColumn, type EncryptedColumnOptions } from './encrypted-column.ts';

/** A column of encrypted text. Its context may name columns of its row. */
export function encryptedText(options: EncryptedColumnOptions): EncryptedColumn<unknown> {
  return new EncryptedColumn<unknown>(TEXT, options);
}

/** A column of encrypted bytes. Its context may name columns of its row. */
export function encryptedBytes(options: EncryptedColumnOptions): EncryptedColumn<unknown> {
  return new EncryptedColumn<unknown>(BYTES, options);
}

/** A column of encrypted JSON values. Its context may name columns of its row. */
export function encryptedJson(options: EncryptedColumnOptions): EncryptedColumn<unknown> {
  return new EncryptedColumn<unknown>(json<unknown>(), options);
}
