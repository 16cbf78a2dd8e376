import { KeyRotationError } from '../format/error.ts';

export function comparedColumn(context: string): KeyRotationError {
  return new KeyRotationError(
    'INVALID_COLUMN',
    `The encrypted column of ${JSON.stringify(context)} cannot be compared: each encryption has a random nonce, so equal ` +
      'values have different ciphertexts and no row would be found. Search by another column, compare in the ' +
      'application, or keep a keyed hash (HMAC) of the value in a column of your own. NULL may be asked for.',
  );
}
