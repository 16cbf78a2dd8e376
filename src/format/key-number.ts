import { KeyRotationError, typeName } from './error.ts';

declare const keyNumber: unique symbol;

/** The number of a key on the ring: a whole number from 1 to 999,999,999, given to one version and never to another. */
export type KeyNumber = number & { readonly [keyNumber]: true };

/** The highest that a numbering label can have: nine digits. */
export const MAX_KEY_NUMBER = 999_999_999;

const NUMBERING_LABEL = /^key-v([1-9][0-9]{0,8})$/;

/** Throws `INVALID_KEY_NUMBER` for anything but a whole number from 1 to `MAX_KEY_NUMBER`. */
export function toKeyNumber(value: number): KeyNumber {
  if (!Number.isInteger(value) || value < 1 || value > MAX_KEY_NUMBER) {
    const found = typeof value === 'number' ? String(value) : typeName(value);
    throw new KeyRotationError(
      'INVALID_KEY_NUMBER',
      `A key number is a whole number from 1 to ${MAX_KEY_NUMBER}, got ${found}.`,
    );
  }
  return value as KeyNumber;
}

/** `key-v7` for 7. */
export function numberingLabel(number: KeyNumber): string {
  return `key-v${number}`;
}

/** The number in a staging label; `undefined` for any other label (`key-v0`, `key-v01`, `AWSCURRENT`, …). */
export function numberOfLabel(label: string): KeyNumber | undefined {
  const digits = NUMBERING_LABEL.exec(label)?.[1];
  return digits === undefined ? undefined : (Number(digits) as KeyNumber);
}
