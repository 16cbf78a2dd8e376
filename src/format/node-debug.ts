import { KeyRotationError } from './error.ts';

/**
 * Throws `INVALID_SETTINGS` while the environment variable `NODE_DEBUG` has a value. It makes Node print the first
 * bytes of all received data, which may begin with a key. The SDK parses bytes that Node has already printed, so
 * refusing is the only protection.
 */
export function refuseNodeDebug(): void {
  if ((process.env['NODE_DEBUG'] ?? '') === '') return;
  throw new KeyRotationError(
    'INVALID_SETTINGS',
    'The environment variable NODE_DEBUG must not be set, found a value: it makes Node print what it receives, ' +
      'including keys. Run this process without it (env -u NODE_DEBUG ...).',
  );
}
