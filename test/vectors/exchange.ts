/**
 * The other side of python/tests/test_exchange.py: reads a JSON object on standard input, decrypts every row in `rows`,
 * encrypts every text in `texts`, and prints both. Bytes are hexadecimal.
 */
import { text } from 'node:stream/consumers';
import { decryptField, encryptField } from '../../src/format/field.ts';
import { toKeyNumber } from '../../src/format/key-number.ts';

interface Exchange {
  readonly key: string;
  readonly rows: readonly { readonly row: string; readonly context: string }[];
  readonly texts: readonly { readonly text: string; readonly context: string; readonly number: number }[];
}

async function main(): Promise<void> {
  const { key, rows, texts } = JSON.parse(await text(process.stdin)) as Exchange;
  const bytes = Buffer.from(key, 'hex');
  const answer = {
    texts: rows.map(({ row, context }) => decryptField(Buffer.from(row, 'hex'), bytes, context)),
    rows: texts.map(({ text, context, number }) =>
      encryptField(text, bytes, context, { number: number === 0 ? 0 : toKeyNumber(number) }).toString('hex'),
    ),
  };
  process.stdout.write(JSON.stringify(answer));
}

void main();
