import type { LocalSecretsManager } from '../../src/local/local-secrets-manager.ts';
import { register } from './sdk.ts';

/** In place of `http-server.ts`: the service is reached within this process. */
export function serve(service: LocalSecretsManager) {
  return Promise.resolve({ ...register(service), close: () => Promise.resolve() });
}
