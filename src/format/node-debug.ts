import { KeyRotationError } from './error.ts';

/** Throws `INVALID_SETTINGS` while `NODE_DEBUG` is set: Node then prints received data, which may begin with a key. */
export function refuseNodeDebug(): void {
  if ((process.env['NODE_DEBUG'] ?? '') === '') return;
  throw new KeyRotationError(
    'INVALID_SETTINGS',
    'The environment variable NODE_DEBUG must not be set, found a value: it makes Node print what it receives, ' +
      'including keys. Run this process without it (env -u NODE_DEBUG ...).',
  );
}
