import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { seal } from '../../src/format/ciphertext.ts';
import { decryptBytes, decryptField, encryptField } from '../../src/format/field.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';
import { numberOfLabel, toKeyNumber } from '../../src/format/key-number.ts';
import { readKeyValue } from '../../src/format/key-value.ts';
import { rowFromJson } from '../../src/format/row-from-json.ts';
import { rowFromText } from '../../src/format/row-from-text.ts';
import { decodeStrictBase64 } from '../../src/format/strict-base64.ts';
import { readVarint, varintLength, writeVarint } from '../../src/format/varint.ts';
import { errorOf } from '../format/support/error-of.ts';

interface Expected {
  readonly text?: string;
  readonly bytes?: string;
  readonly error?: string;
}

interface RowVector extends Expected {
  readonly id: string;
  readonly key: string;
  readonly context: string;
  readonly legacy?: boolean;
  readonly row: string;
  readonly writes?: { readonly number: number; readonly nonce: string };
}

interface Rows {
  readonly keys: Readonly<Record<string, string>>;
  readonly rows: readonly RowVector[];
  readonly refusedTexts: readonly {
    readonly id: string;
    readonly text: string;
    readonly context: string;
    readonly error: string;
  }[];
}

interface Numbers {
  readonly numbers: {
    readonly valid: readonly { readonly number: number; readonly header: string }[];
    readonly invalid: readonly string[];
    readonly refusedByWriters: readonly number[];
  };
  readonly labels: readonly { readonly label: string; readonly number: number | null }[];
}

interface KeyValues {
  readonly keyValues: readonly {
    readonly id: string;
    readonly string?: string;
    readonly binary?: string;
    readonly key?: string;
    readonly error?: string;
  }[];
}

interface Base64 {
  readonly strictBase64: readonly { readonly text: string; readonly bytes: string | null }[];
  readonly textCells: readonly { readonly text: string; readonly row: string }[];
}

interface JsonCells {
  readonly jsonCells: readonly {
    readonly id: string;
    readonly json: string;
    readonly member?: string;
    readonly row?: string;
    readonly error?: string;
  }[];
}

const VECTORS = join(__dirname, '../../vectors');

const { keys, rows, refusedTexts } = vectorsIn('rows.json') as Rows;
const { numbers, labels } = vectorsIn('numbers.json') as Numbers;
const { keyValues } = vectorsIn('key-values.json') as KeyValues;
const { jsonCells } = vectorsIn('json-cells.json') as JsonCells;
const { strictBase64, textCells } = vectorsIn('base64.json') as Base64;

describe('the vectors of docs/format.md', () => {
  test('are what the generator writes', () => {
    const { status, stderr } = spawnSync(process.execPath, [join(VECTORS, 'generate.mjs'), '--check'], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  test.each(rows)('row: $id', ({ key, context, legacy = true, row, text, bytes, error }) => {
    const read = () => decryptField(unhex(row), keyNamed(key), context, { legacy });
    const readBytes = () => decryptBytes(unhex(row), keyNamed(key), context, { legacy }).toString('hex');
    if (text !== undefined) expect(read()).toBe(text);
    else if (bytes !== undefined) {
      expect(errorOf(read).code).toBe('INVALID_TEXT');
      expect(readBytes()).toBe(bytes);
    } else {
      expect(errorOf(read).code).toBe(error);
      expect(errorOf(readBytes).code).toBe(error);
    }
  });

  test.each(rows.filter(({ writes }) => writes !== undefined))(
    'writing: $id',
    ({ key, context, row, text = '', writes }) => {
      const { number = 0, nonce = '' } = writes ?? {};
      const sealed = seal(
        Buffer.from(text),
        keyNamed(key),
        number === 0 ? 0 : toKeyNumber(number),
        context,
        unhex(nonce),
      );
      expect(sealed.toString('hex')).toBe(row);
    },
  );

  test.each(refusedTexts)('not written: $id', ({ text, context, error }) => {
    expect(errorOf(() => encryptField(text, keyNamed('guide'), context)).code).toBe(error);
  });

  test.each(numbers.valid)('number $number', ({ number, header }) => {
    const known = number === 0 ? 0 : toKeyNumber(number);
    const written = Buffer.alloc(varintLength(known));
    expect(writeVarint(written, known)).toBe(written.length);
    expect(written.toString('hex')).toBe(header);
    expect(readVarint(unhex(header))).toBe(number);
  });

  test.each(numbers.invalid)('no number: %s', (header) => {
    expect(readVarint(unhex(header))).toBeUndefined();
  });

  test.each(numbers.refusedByWriters)('number %d is not written', (number) => {
    expect(errorOf(() => toKeyNumber(number)).code).toBe('INVALID_KEY_NUMBER');
  });

  test.each(labels)('label $label', ({ label, number }) => {
    expect(numberOfLabel(label) ?? null).toBe(number);
  });

  test.each(strictBase64)('base64 $text', ({ text, bytes }) => {
    expect(decodeStrictBase64(text)?.toString('hex') ?? null).toBe(bytes);
  });

  test.each(textCells)('a text cell of several lines: $text', ({ text, row }) => {
    expect(rowFromText(text).toString('hex')).toBe(row);
    if (text.endsWith('=')) expect(rowFromJson(JSON.stringify(text)).toString('hex')).toBe(row);
  });

  test.each(jsonCells)('JSON cell: $id', ({ json, member, row, error }) => {
    for (const value of [json, ...parsed(json)]) {
      const read = () => rowFromJson(value, member).toString('hex');
      if (row !== undefined) expect(read()).toBe(row);
      else expect(errorOf(read).code).toBe(error);
    }
  });

  test.each(keyValues)('value: $id', ({ string, binary, key, error }) => {
    const read = () =>
      readKeyValue({
        SecretString: string,
        SecretBinary: binary === undefined ? undefined : unhex(binary),
      }).key.exportBytes();
    if (key !== undefined) expect(read().toString('hex')).toBe(key);
    else expect(errorOf(read).code).toBe(error);
  });
});

/** A file that vectors/generate.mjs wrote; the tests fail where it is not of the form that they take it for. */
function vectorsIn(name: string): unknown {
  return JSON.parse(readFileSync(join(VECTORS, name), 'utf8'));
}

/** The value as a driver that parses JSON gives it; nothing for what is not JSON. */
function parsed(json: string): readonly unknown[] {
  try {
    return [JSON.parse(json)];
  } catch {
    return [];
  }
}

function keyNamed(name: string): KeyMaterial {
  return KeyMaterial.fromBytes(unhex(keys[name] ?? ''));
}

function unhex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}
