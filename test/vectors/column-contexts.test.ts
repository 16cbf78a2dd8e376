import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TEXT } from '../../src/columns/content.ts';
import { EncryptedColumn } from '../../src/columns/encrypted-column.ts';
import { errorOf } from '../format/support/error-of.ts';

interface Vector {
  /** A string, or what a program in JavaScript may give in its place. */
  readonly context: string;
  readonly row?: Readonly<Record<string, string>>;
  readonly of?: string;
  readonly error?: string;
}

const { columnContexts } = JSON.parse(readFileSync(join(__dirname, '../../vectors/column-contexts.json'), 'utf8')) as {
  readonly columnContexts: readonly Vector[];
};

test.each(columnContexts)('the context of a column: $context', ({ context, row = {}, of, error }) => {
  const make = () => new EncryptedColumn(TEXT, { ring: noRing, context });
  if (error === undefined) expect(make().contextOfRow(row, () => '')).toBe(of);
  else expect(errorOf(make).code).toBe(error);
});

function noRing(): never {
  throw new Error('not opened');
}
