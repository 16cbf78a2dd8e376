import { KeyRotationError } from './error.ts';

/**
 * Throws `INVALID_SETTINGS` while the environment variable `NODE_DEBUG` has a value: it makes Node print the first bytes
 * of each piece of data that it receives, and a piece may begin with a key. Refusing is the only way out. The SDK parses
 * an answer from the bytes that Node has already printed, so never holding it as text would come too late.
 */
export function refuseNodeDebug(): void {
  if ((process.env['NODE_DEBUG'] ?? '') === '') return;
  throw new KeyRotationError(
    'INVALID_SETTINGS',
    'The environment variable NODE_DEBUG must not be set, found a value: it makes Node print what it receives, keys ' +
      'included. Run this process without it (env -u NODE_DEBUG ...).',
  );
}
