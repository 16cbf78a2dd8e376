import { KeyMaterial } from './key-material.ts';

/** The key that the setup guide prints as an example (docs/guide.md). Everyone knows it. */
const EXAMPLE_KEY = KeyMaterial.fromBytes(Buffer.from('rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY=', 'base64'));

export const EXAMPLE_KEY_REFUSED =
  'is the example key of the setup guide, which everyone knows. It encrypts only where ENVIRONMENT is local or development. ' +
  'Make a new key (openssl rand -base64 32).';

/** Whether a key is the published example, where `ENVIRONMENT` forbids to encrypt with it. */
export function isRefusedExample(key: KeyMaterial, environment: string | undefined): boolean {
  return environment !== 'local' && environment !== 'development' && isExampleKey(key);
}

export function isExampleKey(key: KeyMaterial): boolean {
  return key.equals(EXAMPLE_KEY);
}
