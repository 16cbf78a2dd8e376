import { KeyRotationError, typeName } from '../format/error.ts';
import { textOf } from '../format/field.ts';

/** What a column's values are, and how they become plaintext. `where` names the column in an error. */
export interface Content<Value> {
  readonly plaintextOf: (value: unknown, where: string) => string | Uint8Array;
  readonly valueOf: (plaintext: Buffer) => Value;
}

export const TEXT: Content<string> = {
  plaintextOf: (value, where) => {
    if (typeof value === 'string') return value;
    throw wrongType(where, 'a string', value);
  },
  valueOf: textOf,
};

export const BYTES: Content<Uint8Array> = {
  plaintextOf: (value, where) => {
    if (value instanceof Uint8Array) return value;
    throw wrongType(where, 'bytes (a Uint8Array)', value);
  },
  valueOf: (plaintext) => plaintext,
};

/** Any value that JSON can have. `null` is no such value: it is NULL of the column, which is not encrypted. */
export function json<Value>(): Content<Value> {
  return {
    plaintextOf: (value, where) => {
      const text = jsonOf(value);
      if (text !== undefined) return text;
      throw wrongType(where, 'a value that JSON can have', value);
    },
    valueOf: (plaintext) => {
      const text = textOf(plaintext);
      try {
        return JSON.parse(text) as Value;
      } catch {
        // The parser's message quotes the plaintext, so it is not kept as the cause.
        throw new KeyRotationError('INVALID_TEXT', 'The decrypted value is not JSON. Read it as text instead.');
      }
    },
  };
}

/** `undefined` for a function, a BigInt or an object that contains itself. */
function jsonOf(value: unknown): string | undefined {
  try {
    const text: unknown = JSON.stringify(value);
    return typeof text === 'string' ? text : undefined;
  } catch {
    // The error may name members of the value, so it is no cause.
    return undefined;
  }
}

function wrongType(where: string, expected: string, value: unknown): KeyRotationError {
  return new KeyRotationError(
    'INVALID_TEXT',
    `The column of ${JSON.stringify(where)} takes ${expected}, but got ${typeName(value)}. Nothing was written.`,
  );
}
