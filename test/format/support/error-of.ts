import { KeyRotationError } from '../../../src/format/error.ts';

/** The error of ours with which `act` fails. Anything else that it throws is thrown on. */
export function errorOf(act: () => unknown): KeyRotationError {
  try {
    act();
  } catch (error) {
    if (error instanceof KeyRotationError) return error;
    throw error;
  }
  throw new Error('Expected a KeyRotationError, but nothing was thrown.');
}
