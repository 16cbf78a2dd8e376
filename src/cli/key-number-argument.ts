import { InvalidArgumentError } from 'commander';
import { isKeyRotationError } from '../format/error.ts';
import { toKeyNumber, type KeyNumber } from '../format/key-number.ts';

/** Throws commander's `InvalidArgumentError`. */
export function keyNumber(text: string): KeyNumber {
  try {
    return toKeyNumber(/^[0-9]{1,9}$/.test(text) ? Number(text) : NaN);
  } catch (error) {
    if (!isKeyRotationError(error)) throw error;
    throw new InvalidArgumentError(`'${text}' is not a key number: a whole number from 1 is needed.`);
  }
}
